#pragma once

#include "model/network.h"
#include "model/normalise.h"
