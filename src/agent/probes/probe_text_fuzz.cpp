// The words of systemd, the journal and the kernel that tell a node's health.
#include <algorithm>
#include <cassert>

#include "agent/probes/probe_text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay::agent::probes;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  if (const auto units = parse_failed_units(text); units.ok())
    for (const auto& unit : *units) assert(unit.find(' ') == std::string::npos);
  if (const auto states = parse_unit_states(text); states.ok())
    for (const auto& state : *states) assert(!state.words().empty());
  static_cast<void>(parse_count(text));
  if (const auto ports = parse_listening(text); ports.ok())
    if (const auto written = write_ports(*ports); written.ok()) assert(read_ports(*written).value() == *ports);
  if (const auto ports = read_ports(text); ports.ok())
    if (const auto written = write_ports(*ports); written.ok()) assert(read_ports(*written).value() == *ports);
  static_cast<void>(parse_load_percent(text));
  if (const auto cpus = count_cpus_online(text); cpus.ok()) assert(*cpus > 0);
  if (const auto type = file_system_of("/srv/data", text); type.ok()) may_hang(*type);

  // In pieces of any size the journal counts the same.
  JournalCounter whole, pieces;
  whole.feed(text);
  auto rest = text;
  for (const std::size_t piece = data[0] + 1u; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size())))
    pieces.feed(rest.substr(0, piece));
  const auto one = whole.count(), other = pieces.count();
  assert(one.ok() == other.ok() && (!one.ok() || *one == *other));
  return 0;
}
