#pragma once

namespace host_recorder {

/// What makeStepRecorder's recorders were asked for since the last reset().
struct Counts {
  int rehearsals = 0, records = 0, replays = 0;
  bool operator==(const Counts&) const = default;
};
Counts& counts();
/// Has the next recording of any recorder fail.
void failNextRecord();

}  // namespace host_recorder
