#pragma once
// Inside of the readers of plans and vaults: what members of both files share.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/document/place.hpp"

namespace belay::backup::parts {

using document::Place;
constexpr Duration kMinute{60'000}, kHour{3'600'000}, kDay{86'400'000};
// From where it is counted how far apart the occurrences of a schedule are; any moment does.
inline const Instant kAnyMoment = std::chrono::sys_days{std::chrono::year{2026} / 1 / 1};

// Reads the whole file, JSON or YAML, and gathers what is wrong with it. Members that look like secrets are refused and
// taken out before `read` sees them; so are texts with a private key or a password in an address.
Status read_file(std::string_view content, const std::function<void(const Place&)>& read);

// Names of plans and vaults: letters, digits, ".", "_", "-", at most 64, none but a letter or digit first.
bool is_name(std::string_view text);
std::string name(const Place& place, std::string_view field, bool required);

// What is wrong with an absolute path ("" nothing): "is no absolute path", "has a '..' in it", …
std::string path_problem(std::string_view path);
std::string path(const Place& place, std::string_view field, bool required = false);
std::vector<std::string> paths(const Place& place, std::string_view field, std::size_t count_max);

// "20MiB" a second, at least 10 KiB; 0 where it is absent.
std::uint64_t bandwidth(const Place& place, std::string_view field = "bandwidth");

// A text that no option parser takes for an option and no terminal for a command.
bool is_plain(std::string_view text);
// An http or https address without a password in it; plain http is taken for this machine only. What is wrong with it.
std::string address_problem(std::string_view url);

}  // namespace belay::backup::parts
