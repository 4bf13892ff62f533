#pragma once

// Cases about how graphs are recorded one after another, and about recordings that fail.

/// In the order that PyTorch's graphs need, whatever fails.
void recordingOrder();
/// A recording that fails costs a note, and nothing else.
void recordingFails();
