#pragma once
#include <string>

namespace belay::fakes {

// Thrown where a fake plays the power cut or the kill -9: nothing of the program goes on. Not a std::exception, so that
// no fence of the program catches it; the test does.
struct Killed {
  std::string at;  // the operation at which it happened
};

}  // namespace belay::fakes
