#pragma once
// What to do about a node that does not comply: "non-compliant for longer than N, severity at least S" becomes a
// notice, a command, or a place in the next maintenance window. Pure: the caller says what is so, gets what is to be
// done.
//
// An episode is the time in which a node does not meet the policy without a break. It opens when that is first so, acts
// once when it has lasted for `after`, and closes when the node complies again; only then can a new one open.
//
//            non-compliant, severe enough          lasted for `after`
//   (none) ---------------------------> open ---------------------------> acted
//      ^                                  |  complies, or out of targets    |
//      '----------------------------------'---------------------------------'
#include <boost/describe.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::remedy {

enum class Action { notice, command, next_window };
BOOST_DESCRIBE_ENUM(Action, notice, command, next_window)

enum class Standing { compliant, non_compliant, unknown };
BOOST_DESCRIBE_ENUM(Standing, compliant, non_compliant, unknown)

// SSM's words, in rising order.
enum class Severity { UNSPECIFIED, INFORMATIONAL, LOW, MEDIUM, HIGH, CRITICAL };
BOOST_DESCRIBE_ENUM(Severity, UNSPECIFIED, INFORMATIONAL, LOW, MEDIUM, HIGH, CRITICAL)

struct Target {
  std::string key;
  std::vector<std::string> values;
};
BOOST_DESCRIBE_STRUCT(Target, (), (key, values))

struct Policy {
  std::string name;
  std::string description;
  bool enabled = true;
  Action action = Action::notice;
  Duration after{0};
  Severity severity_at_least = Severity::UNSPECIFIED;
  bool include_unknown = true;                         // unknown is never compliant
  std::vector<std::string> compliance_types{"Patch"};  // any of
  std::vector<Target> targets;                         // empty: every node
  std::string document_name;                           // of a command
  std::map<std::string, std::vector<std::string>> parameters;
  std::string window_id;  // of a place in the next opening of a maintenance window
  std::string max_concurrency = "10%", max_errors = "10%";
  std::vector<std::string> notify;  // https and mail addresses that are told when it acts
};
BOOST_DESCRIBE_STRUCT(Policy, (),
                      (name, description, enabled, action, after, severity_at_least, include_unknown, compliance_types,
                       targets, document_name, parameters, window_id, max_concurrency, max_errors, notify))

inline constexpr Duration kAfterMax{366LL * 24 * 3600 * 1000};
// invalid_argument that names the field: what contradicts itself is refused before it is kept.
Status validate(const Policy& policy);

// How a node stands in all the policy's compliance types together.
struct Observation {
  Standing standing = Standing::compliant;
  Severity severity = Severity::UNSPECIFIED;  // of what is non-compliant
  std::optional<Instant> since;               // when that began, where it is known
};
// The worse of two: non-compliant before unknown before compliant, then the severer, since the earlier.
Observation worse(const Observation& a, const Observation& b);

struct OpenEpisode {
  Instant opened_at{};
  bool acted = false;
};

struct Decision {
  enum class Change { nothing, open, close } change = Change::nothing;
  Instant opened_at{}, due_at{};  // of the episode that is open after it
  bool act = false;               // now, and never again in this episode
  bool operator==(const Decision&) const = default;
};

// `targeted`: the node is one that the policy is about (and still belongs to the fleet).
Decision decide(const Policy& policy, const std::optional<OpenEpisode>& open, const Observation& seen, bool targeted,
                Instant now);

}  // namespace belay::remedy
