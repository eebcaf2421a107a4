#pragma once
// What one seed sets up: the fleet, what is wrong with the packages, the rollouts as their authors wrote them, and how
// often what fails.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "tests/sim/random.hpp"

namespace belay::sim {

inline constexpr Duration kSecond{1'000}, kMinute{60'000}, kHour{3'600'000};
inline constexpr Duration kActive = 100 * kMinute;  // faults and operators; then the world is left to come to rest
inline constexpr Duration kAtRestBy = 20 * kHour;

// What a version does to the service of a node.
enum class Ill { at_once, later };
inline constexpr Duration kLater = 4 * kMinute;  // after the gate, within a soak

struct NodePlan {
  std::string id, name, env, role;
  bool takes_snapshots = false;
  bool primary = false;                    // what its role command says
  std::map<std::string, std::string> has;  // installed at the start
};

struct RolloutPlan {
  std::string content;
  Duration at{};
  bool start = true;
};

// Of one act that may fail, each.
struct Rates {
  double lost = 0, late = 0, doubled = 0;             // of a message
  double server_killed = 0;                           // of a look
  double run_killed = 0;                              // of a run: the process, the agent or the power
  double manager_fails = 0, disk_full = 0;            // of a run
  double stopped = 0;                                 // of a run: its rollout, by a person, while it goes on
  double bad_reboot = 0, reboot_ignored = 0;          // of a reboot
  double clock_jumps = 0, goes_away = 0, leaves = 0;  // of a node, in the active time
  double cut_off = 0;                                 // of a link, a minute
};

struct Scenario {
  std::vector<NodePlan> nodes;
  std::map<std::string, Ill> ill;  // "package=version"
  std::map<std::string, std::string> failing_scripts;
  std::string wants_reboot;  // the package after which a reboot is needed; "" none
  std::vector<RolloutPlan> rollouts;
  std::optional<Duration> archive_moves;  // from then on archives offer "3", and nothing older
  bool window = false;                    // "mw-1" opens every second hour for one
  Rates rates;
  double operators_act = 0;  // a minute
};

inline const std::string kWindow = "mw-0123456789abcdef0";
// Open in hours 0, 2, 4 … of the day (the simulation begins at 12:00 UTC).
inline constexpr const char* kWindowSchedule = "cron(0 0/2 * * ? *)";
inline bool window_is_open(Duration at) { return at % (2 * kHour) < kHour; }

Scenario make_scenario(Random& random);

}  // namespace belay::sim
