#include "core/schedule/tzif.hpp"

#include <string>

namespace belay::schedule {
namespace {

constexpr std::size_t kHeaderBytes = 44;
constexpr std::uint32_t kTransitionsMax = 10'000, kTypesMax = 256, kCharsMax = 4096;

Error corrupt(std::string_view name, std::string what) {
  return Error(Code::corrupt,
               "the zone file of '" + std::string(name) + "' " + std::move(what) + "; reinstall the package tzdata");
}

// Big-endian, two's complement.
std::int64_t number_at(std::string_view bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = (static_cast<unsigned char>(bytes[at]) & 0x80) && width < 8 ? ~std::uint64_t{0} : 0;
  for (std::size_t i = 0; i < width; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return static_cast<std::int64_t>(value);
}

struct Header {
  char version = '\0';
  std::uint32_t utc_flags = 0, standard_flags = 0, leaps = 0, transitions = 0, types = 0, chars = 0;
  // Of the data block behind it; `width` is that of a time: 4 or 8.
  std::size_t data_bytes(std::size_t width) const {
    return transitions * width + transitions + types * 6UL + chars + leaps * (width + 4) + standard_flags + utc_flags;
  }
};

Result<Header> parse_header(std::string_view bytes, std::string_view name) {
  if (bytes.size() < kHeaderBytes || !bytes.starts_with("TZif")) return corrupt(name, "is no TZif file");
  const auto count = [&](std::size_t index) { return static_cast<std::uint32_t>(number_at(bytes, 20 + 4 * index, 4)); };
  const Header header{bytes[4], count(0), count(1), count(2), count(3), count(4), count(5)};
  if (header.transitions > kTransitionsMax || header.types > kTypesMax || header.chars > kCharsMax ||
      header.utc_flags > header.types || header.standard_flags > header.types || header.leaps > kTransitionsMax)
    return corrupt(name, "has a header that cannot be");
  return header;
}

Status read_block(ZoneRules& rules, std::string_view block, const Header& header, std::size_t width) {
  if (header.leaps > 0)
    return Error(Code::unsupported,
                 "the zone file of '" + rules.name + "' counts leap seconds; use the zone without \"right/\" in front");
  if (header.types == 0) return corrupt(rules.name, "has no local time type");
  const std::size_t indexes = header.transitions * width, types = indexes + header.transitions;
  const auto offset_of = [&](std::size_t type) { return Seconds(number_at(block, types + type * 6, 4)); };
  for (std::size_t type = 0; type < header.types; ++type)
    if (offset_of(type) > kUtcOffsetMax || offset_of(type) < -kUtcOffsetMax)
      return corrupt(rules.name, "has a clock more than 26 hours from UTC");
  rules.first_offset = offset_of(0);
  for (std::size_t i = 0; i < header.transitions; ++i) {
    const auto type = static_cast<unsigned char>(block[indexes + i]);
    if (type >= header.types) return corrupt(rules.name, "names a local time type it does not have");
    const std::int64_t at = number_at(block, i * width, width);
    // A first transition at the beginning of time (-2^59) is a placeholder of old writers of the format.
    if (at < -(std::int64_t{1} << 40)) {
      rules.first_offset = offset_of(type);
      continue;
    }
    if (at > (std::int64_t{1} << 40)) return corrupt(rules.name, "has a transition in a year that is not to be");
    const UtcTime instant{Seconds(at)};
    if (!rules.transitions.empty() && rules.transitions.back().at >= instant)
      return corrupt(rules.name, "has transitions out of order");
    rules.transitions.push_back({instant, offset_of(type)});
  }
  return {};
}

}  // namespace

Result<ZoneRules> parse_tzif(std::string_view bytes, std::string_view name) {
  if (bytes.size() > kTzifBytesMax) return corrupt(name, "is larger than any zone file");
  BELAY_TRY_ASSIGN(Header header, parse_header(bytes, name));
  ZoneRules rules;
  rules.name = std::string(name);
  bytes.remove_prefix(kHeaderBytes);
  std::size_t width = 4;
  if (header.version >= '2') {  // the first block is for readers of 32 bits
    if (bytes.size() < header.data_bytes(4)) return corrupt(name, "ends too early");
    bytes.remove_prefix(header.data_bytes(4));
    BELAY_TRY_ASSIGN(header, parse_header(bytes, name));
    bytes.remove_prefix(kHeaderBytes);
    width = 8;
  }
  if (bytes.size() < header.data_bytes(width)) return corrupt(name, "ends too early");
  BELAY_TRY(read_block(rules, bytes.substr(0, header.data_bytes(width)), header, width));
  bytes.remove_prefix(header.data_bytes(width));
  if (width == 4) return rules;
  const auto end = bytes.size() < 2 || bytes.front() != '\n' ? std::string_view::npos : bytes.find('\n', 1);
  if (end == std::string_view::npos) return corrupt(name, "has no footer");
  if (end == 1) return rules;
  BELAY_TRY_ASSIGN(rules.footer, parse_footer(bytes.substr(1, end - 1)).within("the zone '" + rules.name + "'"));
  return rules;
}

Result<ZoneRules> zone_of(std::string_view name, const ReadZone& read) {
  for (const std::string_view utc : {"", "UTC", "Etc/UTC", "GMT", "Z"})
    if (name == utc) return ZoneRules{};
  BELAY_TRY_ASSIGN(const std::string bytes, read(name));
  return parse_tzif(bytes, name);
}

}  // namespace belay::schedule
