#include "core/remedy/remedy.hpp"

#include <algorithm>

namespace belay::remedy {
namespace {

Error refuse(std::string what) { return Error(Code::invalid_argument, std::move(what)); }

enum class Meets { yes, no, undecided };

Meets meets(const Policy& policy, const Observation& seen) {
  switch (seen.standing) {
    case Standing::compliant: return Meets::no;
    case Standing::non_compliant: return seen.severity >= policy.severity_at_least ? Meets::yes : Meets::no;
    case Standing::unknown: return policy.include_unknown ? Meets::yes : Meets::undecided;
  }
  return Meets::undecided;
}

int rank(Standing standing) { return standing == Standing::non_compliant ? 2 : standing == Standing::unknown ? 1 : 0; }

}  // namespace

Status validate(const Policy& policy) {
  if (policy.after < Duration(0) || policy.after > kAfterMax)
    return refuse("AfterSeconds must be 0 to 31622400 (366 days)");
  if (policy.compliance_types.empty()) return refuse("ComplianceTypes names no type; Patch is the usual one");
  for (const auto& type : policy.compliance_types)
    if (type != "Patch" && type != "Association" && !type.starts_with("Custom:"))
      return refuse("ComplianceTypes: '" + type + "' is none; there are Patch, Association and Custom:…");
  const bool command = policy.action == Action::command;
  if (command && policy.document_name.empty()) return refuse("Action Command needs a DocumentName");
  if (!command && !policy.document_name.empty())
    return refuse("DocumentName belongs to Action Command alone; leave it out or change the Action");
  if (!command && !policy.parameters.empty())
    return refuse("Parameters belong to Action Command alone; leave them out or change the Action");
  const bool window = policy.action == Action::next_window;
  if (window && policy.window_id.empty()) return refuse("Action NextWindow needs a WindowId");
  if (!window && !policy.window_id.empty())
    return refuse("WindowId belongs to Action NextWindow alone; leave it out or change the Action");
  return {};
}

Observation worse(const Observation& a, const Observation& b) {
  if (rank(a.standing) != rank(b.standing)) return rank(a.standing) > rank(b.standing) ? a : b;
  if (a.standing == Standing::compliant) return a;
  Observation both = a;
  both.severity = std::max(a.severity, b.severity);
  if (!both.since || (b.since && *b.since < *both.since)) both.since = b.since;
  return both;
}

Decision decide(const Policy& policy, const std::optional<OpenEpisode>& open, const Observation& seen, bool targeted,
                Instant now) {
  Decision decision;
  const Meets met = policy.enabled && targeted ? meets(policy, seen) : Meets::no;
  if (met == Meets::no) {
    if (open) decision.change = Decision::Change::close;
    return decision;
  }
  if (!open && met == Meets::undecided) return decision;
  if (!open) decision.change = Decision::Change::open;
  decision.opened_at = open ? open->opened_at : std::min(seen.since.value_or(now), now);
  decision.due_at = decision.opened_at + policy.after;
  decision.act = met == Meets::yes && decision.due_at <= now && !(open && open->acted);
  return decision;
}

}  // namespace belay::remedy
