#pragma once
#include "base/time.hpp"

namespace belay::io {
Clock& system_clock();
}
