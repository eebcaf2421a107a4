#include "agent/inventory/proc_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "base/text.hpp"
#include "core/version/version.hpp"

namespace belay::agent::inventory {
namespace {

template <typename Number>
Number number(std::string_view text, int base = 10) {
  Number value{};
  text = trim(text);
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  for (const auto word : split(text, ' '))
    if (!trim(word).empty()) found.push_back(trim(word));
  return found;
}

// \040 for a space and the like, proc(5).
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>(number<unsigned>(text.substr(i + 1, 3), 8) & 0xFF);
      i += 3;
    } else out += text[i];
  }
  return sanitize(out, 1'000);
}

// if_inet6 writes 32 digits without colons; this is the short form people read (RFC 5952).
std::string inet6_text(std::string_view digits) {
  std::array<unsigned, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) groups[i] = number<unsigned>(digits.substr(i * 4, 4), 16);
  std::size_t best_start = 8, best_length = 1;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t length = 0;
    while (i + length < 8 && groups[i + length] == 0) ++length;
    if (length > best_length) best_start = i, best_length = length;
  }
  std::string out;
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == best_start) {
      out += i == 0 ? "::" : ":";
      i += best_length - 1;
      continue;
    }
    std::array<char, 5> hex{};
    const auto end = std::to_chars(hex.data(), hex.data() + hex.size(), groups[i], 16).ptr;
    out.append(hex.data(), end);
    if (i < 7) out += ':';
  }
  return out;
}

}  // namespace

std::vector<fleet::Mount> parse_mounts(std::string_view text) {
  static constexpr std::array<std::string_view, 14> kLocal{"ext2",     "ext3",    "ext4",  "xfs",      "btrfs",
                                                           "zfs",      "f2fs",    "jfs",   "reiserfs", "vfat",
                                                           "bcachefs", "overlay", "erofs", "tmpfs"};
  static constexpr std::array<std::string_view, 5> kTmpfsOfInterest{"/", "/var", "/boot", "/tmp", "/var/tmp"};
  std::vector<fleet::Mount> mounts;
  std::set<std::string> paths;
  for (const auto line : split(text, '\n')) {
    const auto fields = words(line);
    if (fields.size() < 4 || mounts.size() >= 200) continue;
    const std::string path = unescape(fields[1]);
    const bool local = std::ranges::find(kLocal, fields[2]) != kLocal.end();
    const bool wanted_tmpfs =
        fields[2] != "tmpfs" || std::ranges::find(kTmpfsOfInterest, path) != kTmpfsOfInterest.end();
    const bool inner = path.starts_with("/proc") || path.starts_with("/sys/") || path.starts_with("/run/") ||
                       path.starts_with("/dev/") || path.find("/docker/overlay2/") != std::string::npos ||
                       path.find("/containers/storage/") != std::string::npos;
    if (!local || !wanted_tmpfs || inner) continue;
    // The last one mounted on a path is what is seen there.
    if (!paths.insert(path).second) std::erase_if(mounts, [&](const auto& mount) { return mount.path == path; });
    mounts.push_back({path, unescape(fields[0]), std::string(fields[2]), 0, 0});
  }
  std::ranges::sort(mounts, {}, &fleet::Mount::path);
  return mounts;
}

std::uint64_t memory_total_bytes(std::string_view meminfo) {
  static constexpr std::string_view kName = "MemTotal:";
  const auto at = meminfo.find(kName);
  return at == std::string_view::npos ? 0 : number<std::uint64_t>(meminfo.substr(at + kName.size(), 40)) * 1024;
}

std::uint32_t count_cpus(std::string_view cpuinfo) {
  std::uint32_t count = 0;
  for (const auto line : split(cpuinfo, '\n'))
    count += line.starts_with("processor") && line.find(':') != std::string_view::npos;
  return count;
}

std::optional<Instant> booted_at(std::string_view stat, std::string_view process_1_stat, long ticks_per_second) {
  const auto at = stat.find("\nbtime ");
  if (at == std::string_view::npos) return std::nullopt;
  const auto booted_s = number<std::int64_t>(stat.substr(at + 7, 20));
  // The command's name may hold spaces and brackets; the 20th field after it is the start in ticks since the boot.
  const auto name_end = process_1_stat.rfind(')');
  if (booted_s <= 0) return std::nullopt;
  if (name_end == std::string_view::npos || ticks_per_second <= 0) return from_unix_ms(booted_s * 1000);
  const auto fields = words(process_1_stat.substr(name_end + 1));
  const auto ticks = fields.size() > 19 ? number<std::int64_t>(fields[19]) : 0;
  return from_unix_ms(booted_s * 1000 + ticks / ticks_per_second * 1000);
}

std::vector<std::string> parse_addresses(std::string_view fib_trie, std::string_view if_inet6) {
  std::set<std::string> found;
  std::string_view leaf;
  for (const auto line : split(fib_trie, '\n')) {
    if (const auto at = line.find("|-- "); at != std::string_view::npos) leaf = trim(line.substr(at + 4));
    else if (line.find("/32 host LOCAL") != std::string_view::npos && !leaf.starts_with("127."))
      found.insert(sanitize(leaf, 50));
    if (found.size() >= 500) break;
  }
  for (const auto line : split(if_inet6, '\n')) {
    const auto fields = words(line);
    if (fields.size() < 6 || fields[0].size() != 32 || fields[3] == "10" || fields[3] == "20" || found.size() >= 1'000)
      continue;  // host and link scope
    found.insert(inet6_text(fields[0]));
  }
  return {found.begin(), found.end()};
}

std::vector<fleet::Service> parse_services(std::string_view text) {
  std::vector<fleet::Service> services;
  for (const auto line : split(text, '\n')) {
    auto fields = words(line);
    if (!fields.empty() && !fields[0].ends_with(".service")) fields.erase(fields.begin());  // the mark of a failed one
    if (fields.size() < 4 || !fields[0].ends_with(".service") || services.size() >= 2'000) continue;
    services.push_back({sanitize(fields[0], 300), sanitize(fields[2], 50)});
  }
  std::ranges::sort(services);
  return services;
}

std::vector<std::string> deleted_libraries(std::string_view maps) {
  static constexpr std::string_view kDeleted = " (deleted)";
  static constexpr std::array<std::string_view, 5> kPlaces{"/usr/", "/lib", "/bin/", "/sbin/", "/opt/"};
  std::set<std::string> libraries;
  for (auto line : split(maps, '\n')) {
    if (!line.ends_with(kDeleted)) continue;
    line.remove_suffix(kDeleted.size());
    const auto permissions = line.find(' ');
    const auto path = line.find('/');
    if (permissions == std::string_view::npos || path == std::string_view::npos || line.size() < permissions + 4 ||
        line[permissions + 3] != 'x')
      continue;
    const auto file = line.substr(path);
    if (std::ranges::any_of(kPlaces, [&](auto place) { return file.starts_with(place); }) && libraries.size() < 100)
      libraries.insert(sanitize(file, 500));
  }
  return {libraries.begin(), libraries.end()};
}

std::string service_of_cgroup(std::string_view cgroup) {
  std::string service;
  for (const auto line : split(cgroup, '\n'))
    for (const auto part : split(line, '/'))
      if (part.ends_with(".service") && !part.starts_with("user@")) service = sanitize(part, 300);
  return service;
}

bool is_newer_kernel(std::string_view newer, std::string_view older) {
  // The flavour is what follows the last number: "-cloud-amd64" of 6.1.0-56-cloud-amd64, "" of 5.14.0-427.el9.x86_64.
  const auto flavour = [](std::string_view text) {
    for (std::size_t i = 0; i + 1 < text.size(); ++i)
      if (text[i] == '-' && ((text[i + 1] >= 'a' && text[i + 1] <= 'z'))) return text.substr(i);
    return std::string_view();
  };
  if (flavour(newer) != flavour(older)) return false;
  return version::compare_rpm_segment(newer, older) > 0;
}

}  // namespace belay::agent::inventory
