#pragma once

/// How many launches a device is given for a step.
void stepLaunches();
/// What the frozen units ask of the convolutions: which of them have a bias.
void plainConvolutions();
