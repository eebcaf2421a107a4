#pragma once
// What "healthy" means for one change: which probes, how they are read over time (the gate), and the least way back.
// Plain values, carried in a rollout's file and in a signed order. The probes themselves: agent/probes.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::patchrun {

inline constexpr std::size_t kProbesMax = 50;  // of one gate

// ---- probes: each names exactly one of the kinds below

// Units. Without names: units that are failed now and were not before the change ("newly failed").
struct SystemdProbe {
  std::vector<std::string> units;  // these must be active
};
BOOST_DESCRIBE_STRUCT(SystemdProbe, (), (units))

struct TcpProbe {
  std::string address;  // "host:port", "[v6]:port"
  Duration within{5'000};
};
BOOST_DESCRIBE_STRUCT(TcpProbe, (), (address, within))

struct HttpProbe {
  std::string url;  // http or https; the answer is judged as it is, redirects are not followed
  std::uint32_t status = 200;
  Duration within{5'000};  // to the last byte: a slower answer is not healthy
  std::string contains;    // "" for any body
};
BOOST_DESCRIBE_STRUCT(HttpProbe, (), (url, status, within, contains))

// Healthy where it exits with 0. Run by /bin/sh -c, as root, with its output kept. Also how replication lag, a queue's
// depth or an application's own check is read.
struct CommandProbe {
  std::string command;
  Duration timeout{30'000};
};
BOOST_DESCRIBE_STRUCT(CommandProbe, (), (command, timeout))

// Journal messages of a priority or worse, a minute: at most `times` what the node wrote before the change, and in any
// case `free` of them.
struct JournalProbe {
  std::string priority = "err";  // as journalctl -p has it
  std::uint32_t times = 3;
  std::uint32_t free = 5;
};
BOOST_DESCRIBE_STRUCT(JournalProbe, (), (priority, times, free))

// Listening TCP ports that were there before the change are still there. `ignore`: ports that come and go.
struct PortsProbe {
  std::vector<std::uint32_t> ignore;
};
BOOST_DESCRIBE_STRUCT(PortsProbe, (), (ignore))

struct DiskProbe {
  std::string mount = "/";
  std::uint32_t free_percent_min = 5;
};
BOOST_DESCRIBE_STRUCT(DiskProbe, (), (mount, free_percent_min))

// Load of the last minute for each CPU, in percent: 100 is one runnable process a CPU.
struct LoadProbe {
  std::uint32_t percent_max = 400;
};
BOOST_DESCRIBE_STRUCT(LoadProbe, (), (percent_max))

struct ProbeSpec {
  std::string name;  // unique in its gate
  std::optional<SystemdProbe> systemd{};
  std::optional<TcpProbe> tcp{};
  std::optional<HttpProbe> http{};
  std::optional<CommandProbe> command{};
  std::optional<JournalProbe> journal{};
  std::optional<PortsProbe> ports{};
  std::optional<DiskProbe> disk{};
  std::optional<LoadProbe> load{};
};
BOOST_DESCRIBE_STRUCT(ProbeSpec, (), (name, systemd, tcp, http, command, journal, ports, disk, load))

// invalid_argument names the field: "probes[1].http.url: …".
Status check_probes(const std::vector<ProbeSpec>& probes);

// ---- the gate over them
// After the change every probe is read each `every`, for the time `watch`. A probe that was not healthy before the
// change is not blamed on it. One that was, and then misses `misses` readings in a row, closes the gate: the change is
// to blame. The gate opens when `watch` is over and the last reading of each probe was healthy.
struct Gate {
  Duration watch{60'000};
  Duration every{10'000};
  std::uint32_t misses = 2;
};
BOOST_DESCRIBE_STRUCT(Gate, (), (watch, every, misses))

// Of a node where a probe was not healthy before the change.
enum class IllBefore {
  hold,   // it is not patched
  patch,  // it is, and that probe is not blamed on the change
};
BOOST_DESCRIBE_ENUM(IllBefore, hold, patch)

// What a run does when the gate closes or the install fails.
enum class OnFailure {
  roll_back,  // the ladder: restart what ails, old packages, snapshot
  leave,      // nothing: a person looks
};
BOOST_DESCRIBE_ENUM(OnFailure, roll_back, leave)

// ---- the way back. Each class holds what the one before holds.
enum class ReversibilityClass {
  R0,  // none
  R1,  // packages: the exact old versions are held
  R2,  // and a file system or volume snapshot covers every mount that changes
  R3,  // and a data restore point with a proof
};
BOOST_DESCRIBE_ENUM(ReversibilityClass, R0, R1, R2, R3)

struct ProtectionOrder {
  ReversibilityClass least = ReversibilityClass::R1;  // below it nothing is begun
  std::vector<std::string> snapshots;                 // providers to use, by name; empty: every one that covers
  Duration keep_snapshots{0};                         // after a commit; 0: they go at once
  std::vector<std::string> proofs{};  // "pr-… (P4) of rp-…": restore points of data that the server saw proven
};
BOOST_DESCRIBE_STRUCT(ProtectionOrder, (), (least, snapshots, keep_snapshots, proofs))

// What was really in hand before the first byte: evidence of a run.
struct WayBack {
  ReversibilityClass reached = ReversibilityClass::R0;
  std::vector<std::string> held;          // old packages, "name_version_arch", " (repacked)" where rebuilt from files
  std::vector<std::string> snapshots;     // "provider:id of /, /boot"
  std::vector<std::string> why_not_more;  // what kept it from a higher class
  std::vector<std::string> proofs{};      // restore points of data, as ordered
};
BOOST_DESCRIBE_STRUCT(WayBack, (), (reached, held, snapshots, why_not_more, proofs))

}  // namespace belay::patchrun
