#pragma once
// What systemd, the journal and the kernel write, as values. Pure, bounded. corrupt where the text is not what it must
// be: half of an answer would pass for health.
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace belay::agent::probes {

// Whether it ends as a unit's name does (.service, .mount, …).
bool is_unit(std::string_view word);

// `systemctl list-units --state=failed --plain --no-legend --full`
Result<std::set<std::string>> parse_failed_units(std::string_view text);

struct UnitState {
  std::string id, load, active, sub;
  bool is_up() const { return active == "active" || active == "reloading" || active == "refreshing"; }
  std::string words() const;  // "failed", "activating (auto-restart)", "not-found"
};
// `systemctl show --property=Id,LoadState,ActiveState,SubState`, one for each unit asked about, in that order.
Result<std::vector<UnitState>> parse_unit_states(std::string_view text);

// Counts what `journalctl --output=json` writes, one object a line, in pieces of any size.
class JournalCounter {
 public:
  void feed(std::string_view piece);
  Result<std::uint64_t> count() const;  // whole lines so far

 private:
  void end_line();
  std::uint64_t count_ = 0;
  bool in_line_ = false;
  char first_ = 0, last_ = 0;  // of the line it is in
  bool malformed_ = false;
};

// A whole number and nothing else, as a reading's value keeps it.
Result<std::uint64_t> parse_count(std::string_view text);

using PortSet = std::set<std::uint16_t>;
// /proc/net/tcp and tcp6: the ports in state 0A, LISTEN.
Result<PortSet> parse_listening(std::string_view text);
// "22,80,8000-8100"; resource_exhausted where they are too scattered to be kept.
Result<std::string> write_ports(const PortSet& ports);
Result<PortSet> read_ports(std::string_view text);

// /proc/loadavg: the load of the last minute in hundredths, so that 100 is one runnable process.
Result<std::uint64_t> parse_load_percent(std::string_view text);
// /proc/stat; at least 1.
Result<std::uint32_t> count_cpus_online(std::string_view text);

// /proc/self/mounts: the type of the file system that an absolute path lies on, links in it not followed.
Result<std::string> file_system_of(std::string_view path, std::string_view mounts);
// Of one that is served over a network or by a process: asking it may never return.
bool may_hang(std::string_view file_system);

}  // namespace belay::agent::probes
