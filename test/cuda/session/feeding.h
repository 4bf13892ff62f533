#pragma once

// Batches on their way from loaders to the device's path. Each throws where it finds something wrong.

/// A loader's batches train what they train without slots, bit for bit, with features from a cache too.
void fedByLoader();
/// Features that stay on the device, as far as they fit, train what they train without.
void featuresOnDevice();
/// Rows of them, kept and gathered.
void deviceFeatures();
/// What the stand-in for streams is there for: it tells of memory that is used too early.
void earlyReuse();
/// Lack of memory, as devices and their libraries say it.
void outOfMemory();
