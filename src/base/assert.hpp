#pragma once
// A bug stops the process, loudly, in releases too.

namespace belay {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

#define BELAY_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::belay::assertion_failed(#expression, __FILE__, __LINE__))
