#pragma once
// A repository's Release or InRelease file: who says what, from when, until when. The signature was checked by apt
// when it fetched the file; apt keeps no file that failed.
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::agent::apt {

struct Release {
  std::string origin, label, suite, codename, version;
  std::optional<Instant> date;
  std::optional<Instant> valid_until;
  bool not_automatic = false;           // "NotAutomatic: yes": priority 1
  bool but_automatic_upgrades = false;  // with it: priority 100 (backports)
  bool signed_inline = false;
  std::map<std::string, std::uint64_t, std::less<>> packages_sizes;  // "main/binary-amd64/Packages" -> bytes
};

// corrupt where a date cannot be read: a date that says nothing must not pass for a fresh one.
Result<Release> parse_release(std::string_view text);

}  // namespace belay::agent::apt
