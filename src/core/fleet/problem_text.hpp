#pragma once
// A problem in one line, for a person.
#include <string>

#include "core/fleet/problem.hpp"

namespace belay::fleet {

std::string what_is_wrong(const Problem& problem);           // "reason (subject): detail"
std::string what_is_wrong_and_next(const Problem& problem);  // the same, then "; what to do about it"

}  // namespace belay::fleet
