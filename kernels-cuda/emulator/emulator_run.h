// How the driver's stand-in (driver.cpp) runs a kernel.
#pragma once
#include "emulator.h"

namespace emulator {

// A kernel by its name, or null.
const Kernel* find(const char* name);

// Runs a grid to its end. The process ends with a message if threads of a block do not meet at their barriers.
void run(const char* name, const Kernel& kernel, dim3 grid, dim3 block, size_t shared, void** parameters);

}  // namespace emulator
