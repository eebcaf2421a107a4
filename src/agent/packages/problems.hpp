#pragma once
// Problems the backends share: made in one place, so that details are always sanitized and bounded.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/fleet/problem.hpp"

namespace belay::agent {

inline constexpr std::size_t kProblemDetailBytesMax = 2'000;
inline constexpr std::size_t kProblemsMax = 200;

fleet::Problem make_problem(fleet::Reason reason, std::string_view subject, std::string_view detail,
                            std::string_view next, bool blocks_judgement = false);
// Keeps the first of each (reason, subject); past kProblemsMax only the last says how many more there were.
void add_problem(std::vector<fleet::Problem>& problems, fleet::Problem problem);
void add_problems(std::vector<fleet::Problem>& problems, std::vector<fleet::Problem> more);

// "lock-held": the reason as the word an Error carries.
std::string reason_word(fleet::Reason reason);
// The first problem as an error, for calls whose reply has no room for problems.
Error error_of(const fleet::Problem& problem);

// The last `bytes_max` bytes from a line's start on, sanitized: what is worth keeping of a long output.
std::string tail_of(std::string_view text, std::size_t bytes_max);

// Characters that a package name, version or architecture may have: printable ASCII without spaces.
bool is_plain_word(std::string_view text, std::size_t bytes_max);

}  // namespace belay::agent
