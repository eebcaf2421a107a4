#pragma once
// An operating error as a named reason for people.
#include <string>

#include "base/result.hpp"
#include "core/fleet/problem.hpp"

namespace belay::agent {

// The error's reason word ("lock-held") where it is one of fleet::Reason, else what its code says.
fleet::Problem problem_of(const Error& error, std::string subject = {});

}  // namespace belay::agent
