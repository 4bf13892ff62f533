#pragma once

// Cases about steps that are recorded and replayed, and about weights that are kept in 16 bits.

void whenRecorded();
void replayedSteps();
void recordedAnew();
void brokenReplay();
void bakedIn();
void narrowCopies();
void narrowSession();
void searchedBatches();
