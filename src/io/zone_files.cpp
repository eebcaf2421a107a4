#include "io/zone_files.hpp"

#include "base/text.hpp"

namespace belay::io {
namespace {

constexpr const char* kRoot = "/usr/share/zoneinfo";
constexpr std::size_t kNameBytesMax = 64, kBytesMax = std::size_t{256} * 1024;

// "Etc/GMT+1", "America/Port-au-Prince": parts of letters, digits, + - _ that begin with a letter.
bool can_be_a_zone(std::string_view name) {
  if (name.size() > kNameBytesMax) return false;
  const auto is_letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  for (const auto part : split(name, '/')) {
    if (part.empty() || !is_letter(part.front())) return false;
    for (const char c : part)
      if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '_') return false;
  }
  return true;
}

}  // namespace

Result<std::string> read_zone_file(const Files& files, std::string_view name) {
  const std::string shown = "'" + std::string(name.substr(0, kNameBytesMax)) + "'";
  if (!can_be_a_zone(name))
    return Error(Code::invalid_argument, shown + " is no time zone; write an IANA name such as Europe/Berlin or UTC");
  auto bytes = files.read(std::string(kRoot) + "/" + std::string(name), kBytesMax);
  if (bytes.ok() && bytes->starts_with("TZif")) return bytes;
  if (!bytes.ok() && bytes.error().code() == Code::not_found && !files.info(std::string(kRoot) + "/Etc").ok())
    return Error(Code::not_found, "no time zones under " + std::string(kRoot) + "; install the package tzdata",
                 "tzdata-missing");
  if (!bytes.ok() && bytes.error().code() == Code::permission_denied) return bytes.error();
  return Error(Code::not_found, "the time zone " + shown +
                                    " is not known here; write an IANA name such as Europe/Berlin, or update tzdata");
}

}  // namespace belay::io
