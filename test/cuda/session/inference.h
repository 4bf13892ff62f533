#pragma once

/// Predictions on a device, in batches made up to a few sizes.
void paddedPredictions();
/// An evaluation that a device is not waited for.
void evaluationInOneRead();
void evaluationNotFinite();
