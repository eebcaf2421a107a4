#include "agent/snapshots/mount_table.hpp"

#include "base/text.hpp"

namespace belay::agent::snapshots {
namespace {

constexpr std::size_t kMountsMax = 4'096;
constexpr std::string_view kHexDigits = "0123456789ABCDEF";

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> found;
  for (std::size_t at = 0; at < line.size();) {
    const auto begin = line.find_first_not_of(" \t\r", at);
    if (begin == std::string_view::npos) break;
    at = std::min(line.find_first_of(" \t\r", begin), line.size());
    found.push_back(line.substr(begin, at - begin));
  }
  return found;
}

// The kernel and fstab write blanks and the like as \040.
std::string unescape(std::string_view text) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) && octal(text[i + 3])) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool lies_on(std::string_view path, std::string_view point) {
  return point == "/" || path == point ||
         (path.size() > point.size() && path.starts_with(point) && path[point.size()] == '/');
}

}  // namespace

std::vector<MountRow> parse_mountinfo(std::string_view text) {
  std::vector<MountRow> mounts;
  for (const auto line : split(text, '\n')) {
    const auto parts = words(line);
    std::size_t dash = 6;
    while (dash < parts.size() && parts[dash] != "-") ++dash;
    if (dash + 3 >= parts.size()) continue;
    mounts.push_back({std::string(parts[2]), unescape(parts[3]), unescape(parts[4]), std::string(parts[dash + 1]),
                      unescape(parts[dash + 2]), unescape(parts[dash + 3])});
    if (mounts.size() == kMountsMax) break;
  }
  return mounts;
}

const MountRow* holding(const std::vector<MountRow>& mounts, std::string_view path) {
  const MountRow* found = nullptr;
  if (!path.starts_with('/')) return found;
  for (const auto& row : mounts)
    if (lies_on(path, row.point) && (!found || row.point.size() >= found->point.size())) found = &row;
  return found;
}

std::optional<std::string> option(std::string_view options, std::string_view name) {
  for (const auto part : split(options, ',')) {
    if (part == name) return std::string();
    if (part.starts_with(name) && part.substr(name.size()).starts_with('='))
      return std::string(part.substr(name.size() + 1));
  }
  return std::nullopt;
}

std::optional<std::string> fstab_options(std::string_view fstab, std::string_view point) {
  for (const auto line : split(fstab, '\n')) {
    const auto parts = words(line);
    if (parts.size() < 4 || parts[0].starts_with('#') || unescape(parts[1]) != point) continue;
    return unescape(parts[3]);
  }
  return std::nullopt;
}

std::string root_flags(std::string_view command_line) {
  constexpr std::string_view kName = "rootflags=";
  std::string flags;
  for (const auto word : words(split(command_line, '\n').front()))
    if (word.starts_with(kName)) flags = word.substr(kName.size());
  return flags;
}

std::string to_name(std::string_view path) {
  std::string name;
  for (const char c : path) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (plain) name += c;
    else (name += '%') += {kHexDigits[static_cast<unsigned char>(c) >> 4], kHexDigits[c & 15]};
  }
  return name;
}

std::string from_name(std::string_view name) {
  std::string path;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '%') {
      path += name[i];
      continue;
    }
    if (i + 2 >= name.size()) return {};
    const auto high = kHexDigits.find(name[i + 1]), low = kHexDigits.find(name[i + 2]);
    if (high == std::string_view::npos || low == std::string_view::npos) return {};
    path += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return path.starts_with('/') ? path : std::string();
}

}  // namespace belay::agent::snapshots
