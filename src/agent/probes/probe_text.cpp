#include "agent/probes/probe_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/text.hpp"

namespace belay::agent::probes {
namespace {

constexpr std::size_t kUnitsMax = 10'000;
constexpr std::size_t kWordBytesMax = 300;
constexpr std::size_t kPortsTextBytesMax = 12 << 10;
constexpr std::uint64_t kCountMax = 1'000'000'000'000;

Error unexpected(std::string_view what, std::string_view line) {
  return Error(Code::corrupt, std::string(what) + " cannot be read: '" + sanitize(line, 100) + "'");
}

template <typename Number>
std::optional<Number> whole_number(std::string_view text, int base = 10) {
  Number value{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (const auto word : split(line, ' '))
    if (const auto inner = trim(word); !inner.empty()) words.push_back(inner);
  return words;
}

// \040 for a blank and the like, proc(5).
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto code =
        text[i] == '\\' && i + 3 < text.size() ? whole_number<unsigned>(text.substr(i + 1, 3), 8) : std::nullopt;
    out += code ? static_cast<char>(*code & 0xFF) : text[i];
    if (code) i += 3;
  }
  return out;
}

bool lies_below(std::string_view path, std::string_view mount) {
  if (mount == "/") return true;
  return path.starts_with(mount) && (path.size() == mount.size() || path[mount.size()] == '/');
}

// One entry of the block that `systemctl show` writes for each unit.
bool take_property(UnitState& unit, std::string_view name, std::string_view value) {
  std::string* const place = name == "Id"            ? &unit.id
                             : name == "LoadState"   ? &unit.load
                             : name == "ActiveState" ? &unit.active
                             : name == "SubState"    ? &unit.sub
                                                     : nullptr;
  if (!place || value.empty()) return false;
  *place = sanitize(value, kWordBytesMax);
  return true;
}

// "…:1F90" of a local address: 8 or 32 digits, then the port's 4.
std::optional<std::uint16_t> port_of(std::string_view address) {
  const auto colon = address.find(':');
  if ((colon != 8 && colon != 32) || address.size() != colon + 5 ||
      !whole_number<std::uint32_t>(address.substr(0, 8), 16))
    return std::nullopt;
  return whole_number<std::uint16_t>(address.substr(colon + 1), 16);
}

}  // namespace

bool is_unit(std::string_view word) {
  static constexpr std::array<std::string_view, 12> kTypes{".service",   ".socket", ".target", ".mount",
                                                           ".automount", ".swap",   ".timer",  ".path",
                                                           ".slice",     ".scope",  ".device", ".snapshot"};
  return word.size() <= kWordBytesMax &&
         std::ranges::any_of(kTypes, [&](auto type) { return word.size() > type.size() && word.ends_with(type); });
}

Result<std::set<std::string>> parse_failed_units(std::string_view text) {
  std::set<std::string> units;
  for (const auto line : split(text, '\n')) {
    auto words = words_of(line);
    if (words.empty()) continue;
    if (!is_unit(words[0])) words.erase(words.begin());  // older ones mark a failed unit, --plain or not
    if (words.size() < 4 || !is_unit(words[0]) || words[2] != "failed" || units.size() >= kUnitsMax)
      return unexpected("systemctl's list of failed units", line);
    units.insert(sanitize(words[0], kWordBytesMax));
  }
  return units;
}

std::string UnitState::words() const {
  if (load != "loaded" && !load.empty()) return load;
  return sub.empty() || sub == active ? active : active + " (" + sub + ")";
}

Result<std::vector<UnitState>> parse_unit_states(std::string_view text) {
  std::vector<UnitState> units;
  bool in_block = false;
  for (const auto line : split(text, '\n')) {
    if (line.empty()) {
      in_block = false;
      continue;
    }
    if (!in_block) units.emplace_back();
    in_block = true;
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || units.size() > kUnitsMax ||
        !take_property(units.back(), line.substr(0, equals), line.substr(equals + 1)))
      return unexpected("systemctl's state of a unit", line);
  }
  for (const auto& unit : units)
    if (unit.id.empty() || unit.active.empty()) return unexpected("systemctl's state of a unit", unit.id);
  return units;
}

void JournalCounter::feed(std::string_view piece) {
  while (!piece.empty()) {
    const auto end = piece.find('\n');
    const auto part = piece.substr(0, end);
    if (!part.empty()) {
      if (!in_line_) first_ = part.front();
      last_ = part.back();
      in_line_ = true;
    }
    if (end == std::string_view::npos) return;
    end_line();
    piece.remove_prefix(end + 1);
  }
}

void JournalCounter::end_line() {
  if (!in_line_) return;
  if (first_ != '{' || last_ != '}') malformed_ = true;
  ++count_;
  in_line_ = false;
}

Result<std::uint64_t> JournalCounter::count() const {
  if (malformed_ || in_line_) return Error(Code::corrupt, "journalctl does not write one JSON object a line");
  return count_;
}

Result<std::uint64_t> parse_count(std::string_view text) {
  const auto count = whole_number<std::uint64_t>(text);
  if (!count || *count > kCountMax) return unexpected("a count", text);
  return *count;
}

Result<PortSet> parse_listening(std::string_view text) {
  const auto lines = split(text, '\n');
  if (!trim(lines.front()).starts_with("sl ")) return unexpected("the kernel's table of sockets", lines.front());
  PortSet ports;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto words = words_of(lines[i].substr(0, kWordBytesMax));
    if (words.empty()) continue;
    const auto port = words.size() > 3 ? port_of(words[1]) : std::nullopt;
    if (!port || words[3].size() != 2) return unexpected("the kernel's table of sockets", lines[i]);
    if (words[3] == "0A") ports.insert(*port);
  }
  return ports;
}

Result<std::string> write_ports(const PortSet& ports) {
  std::string text;
  auto port = ports.begin();
  while (port != ports.end()) {
    const auto first = *port;
    auto last = first;
    for (++port; port != ports.end() && *port == last + 1; ++port) last = *port;
    text += (text.empty() ? "" : ",") + std::to_string(first);
    if (last != first) text += "-" + std::to_string(last);
    if (text.size() > kPortsTextBytesMax)
      return Error(Code::resource_exhausted,
                   std::to_string(ports.size()) + " ports are more than can be kept; ignore those that come and go");
  }
  return text;
}

Result<PortSet> read_ports(std::string_view text) {
  PortSet ports;
  if (text.empty()) return ports;
  if (text.size() > kPortsTextBytesMax + 12) return unexpected("a list of ports", text);
  for (const auto part : split(text, ',')) {
    const auto dash = part.find('-');
    const auto first = whole_number<std::uint16_t>(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : whole_number<std::uint16_t>(part.substr(dash + 1));
    if (!first || !last || *first > *last) return unexpected("a list of ports", part);
    for (std::uint32_t port = *first; port <= *last; ++port)
      ports.insert(ports.end(), static_cast<std::uint16_t>(port));
  }
  return ports;
}

Result<std::uint64_t> parse_load_percent(std::string_view text) {
  const auto words = words_of(text);
  const auto load = words.empty() ? std::string_view() : words[0];
  const auto point = load.find('.');
  if (point != std::string_view::npos && load.size() == point + 3) {
    const auto whole = whole_number<std::uint32_t>(load.substr(0, point));
    const auto hundredths = whole_number<std::uint8_t>(load.substr(point + 1));
    if (whole && hundredths) return std::uint64_t{*whole} * 100 + *hundredths;
  }
  return unexpected("the kernel's load", text);
}

Result<std::uint32_t> count_cpus_online(std::string_view text) {
  std::uint32_t count = 0;
  for (const auto line : split(text, '\n'))
    count += line.size() > 3 && line.starts_with("cpu") && line[3] >= '0' && line[3] <= '9';
  if (count == 0) return unexpected("the kernel's list of CPUs", text);
  return count;
}

Result<std::string> file_system_of(std::string_view path, std::string_view mounts) {
  std::string type;
  std::size_t longest = 0;
  for (const auto line : split(mounts, '\n')) {
    const auto words = words_of(line);
    if (words.empty()) continue;
    if (words.size() < 4) return unexpected("the kernel's list of mounts", line);
    const auto mount = unescape(words[1]);
    // What is mounted later on the same place covers what was there.
    if (!lies_below(path, mount) || mount.size() < longest) continue;
    longest = mount.size();
    type = sanitize(words[2], kWordBytesMax);
  }
  if (type.empty()) return unexpected("the kernel's list of mounts", mounts);
  return type;
}

bool may_hang(std::string_view file_system) {
  static constexpr std::array<std::string_view, 15> kServed{"nfs",  "cifs",   "smb",    "fuse",   "9p",
                                                            "ceph", "afs",    "lustre", "gfs",    "ocfs",
                                                            "coda", "beegfs", "autofs", "orange", "gluster"};
  return std::ranges::any_of(kServed, [&](auto served) { return file_system.starts_with(served); });
}

}  // namespace belay::agent::probes
