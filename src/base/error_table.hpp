#pragma once
// One table: what an error code is over HTTP, as an exit status, and whose move it is.
#include <array>
#include <string_view>

#include "base/result.hpp"

namespace belay {

struct ErrorMeaning {
  Code code;
  int http_status;
  int exit_status;
  std::string_view what_to_do;  // for the user of the command line and the API
};

inline constexpr int kExitOk = 0;
inline constexpr int kExitUsage = 2;  // the command line itself is wrong
inline constexpr int kExitNonCompliant =
    9;  // the question was answered, and the answer is "not compliant" or "failed on a node"

inline constexpr std::array kErrorTable{
    ErrorMeaning{Code::invalid_argument, 400, 2, "correct the named field and try again"},
    ErrorMeaning{Code::not_found, 404, 3, "check the name or id; list what exists"},
    ErrorMeaning{Code::already_exists, 409, 4, "use the existing one or choose another name"},
    ErrorMeaning{Code::conflict, 409, 4, "look at its present state, then try again"},
    ErrorMeaning{Code::permission_denied, 403, 5, "ask an administrator for the permission named"},
    ErrorMeaning{Code::unauthenticated, 401, 5, "sign in again, or check the token or key"},
    ErrorMeaning{Code::resource_exhausted, 429, 6, "free what is full, or ask for less at once"},
    ErrorMeaning{Code::unavailable, 503, 7, "try again; check that the server or mirror is up"},
    ErrorMeaning{Code::timed_out, 504, 7, "try again with more time, or look why it is slow"},
    ErrorMeaning{Code::cancelled, 409, 8, "start it again if it is still wanted"},
    ErrorMeaning{Code::corrupt, 422, 10, "do not use the data; fetch or restore it again"},
    ErrorMeaning{Code::unsupported, 501, 11, "see the documentation for what this version supports"},
    ErrorMeaning{Code::internal, 500, 1, "look into the server's log for the id given, and report it"},
};

constexpr const ErrorMeaning& meaning(Code code) {
  for (const auto& row : kErrorTable)
    if (row.code == code) return row;
  return kErrorTable.back();
}

}  // namespace belay
