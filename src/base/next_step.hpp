#pragma once
// What whoever reads an error does next: by its reason where that says more than its code, else by its code.
#include <array>
#include <string_view>
#include <utility>

#include "base/error_table.hpp"

namespace belay {

inline constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kNextSteps{{
    {"address-in-use", "choose another port, or stop what listens there (ss -ltnp shows it)"},
    {"certificate-untrusted",
     "name the server's own authority: BELAY_CA of its admin.env for belay, --ca or --ca-sha256 for belay-agent "
     "enroll"},
    {"certificate-name", "write the address as the certificate has it, or start belayd with --name"},
    {"certificate-time", "set the clock that is wrong"},
    {"no-token", "read the server's settings into this shell: set -a; . DIR/admin.env; set +a"},
    {"folder-in-use", "stop the other belayd, or name another folder with --data"},
}};

constexpr std::string_view next_step(Code code, std::string_view reason) {
  for (const auto& [known, step] : kNextSteps)
    if (known == reason) return step;
  return meaning(code).what_to_do;
}

inline std::string_view next_step(const Error& error) { return next_step(error.code(), error.reason()); }

}  // namespace belay
