// What is said of a node in one sentence.
#include <algorithm>

#include "core/backup/ways.hpp"

namespace belay::backup {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

std::string count_of(std::int64_t count, const char* unit) {
  return std::to_string(count) + " " + unit + (count == 1 ? "" : "s");
}

// The newest test that there was, of ours.
const Proof* newest_test(const Ways& ways) {
  const Proof* newest = nullptr;
  for (const Proof& proof : ways.known.proofs)
    if (ways.is_ours(proof) && (!newest || proof.at > newest->at)) newest = &proof;
  return newest;
}

// Of any point, whatever became of it; points remember longer than the list of proofs goes back.
std::optional<Instant> newest_restore(const Ways& ways) {
  std::optional<Instant> newest;
  for (const Proof& proof : ways.known.proofs)
    if (ways.is_restore(proof) && (!newest || proof.at > *newest)) newest = proof.at;
  for (const RecoveryPoint& point : ways.known.points)
    if (point.proven && *point.proven >= ProofLevel::P3 && point.proven_at && (!newest || *point.proven_at > *newest))
      newest = point.proven_at;
  return newest;
}

std::string ago(const Ways& ways, Instant at) { return at_least(ways.now - at) + " ago"; }

// "a copy of 03:10 with logs to 14:02": nothing is promised of it.
std::string of_a_copy(const Ways& ways, const Posture& posture, const schedule::ZoneRules& zone) {
  std::string text = "there is a copy of " + time_of_day(zone, ways.from->made.taken_at, ways.now);
  if (*ways.to - ways.from->made.taken_at >= minutes(1))
    text += " with logs to " + time_of_day(zone, *ways.to, ways.now);
  if (posture.proven)
    text +=
        ", checked " + ago(ways, *posture.proven_at) + " (" + text_of(*posture.proven, posture.proven_offsite) + ")";
  const auto* test = newest_test(ways);
  if (test && !test->passed) return text + ", and the restore test of " + ago(ways, test->at) + " failed";
  if (const auto restored = newest_restore(ways))
    return text + ", and what was restored " + ago(ways, *restored) + " cannot be counted on any more";
  return text + ", and nobody has ever restored it";
}

std::string of_a_proof(const Ways& ways, const Posture& posture, const schedule::ZoneRules& zone) {
  std::string text = "you can get back to " + time_of_day(zone, *ways.to, ways.now);
  if (posture.forecast.time_to_restore) text += " within " + at_most(*posture.forecast.time_to_restore);
  if (posture.forecast.time_to_restore && posture.forecast.logs_not_measured.count() > 0)
    text += " and the replay of " + at_most(posture.forecast.logs_not_measured) + " of logs";
  text += ", proved " + ago(ways, *posture.proven_at) + " (" + text_of(*posture.proven, posture.proven_offsite) + ")";
  const auto* test = newest_test(ways);
  if (test && !test->passed) text += "; the restore test of " + ago(ways, test->at) + " failed";
  return text;
}

}  // namespace

std::string time_of_day(const schedule::ZoneRules& zone, Instant at, Instant now) {
  std::string local = schedule::to_local_iso8601(zone, at).substr(0, 16);  // to the minute
  const std::string today = schedule::to_local_iso8601(zone, now).substr(0, 10);
  if (local.starts_with(today)) return local.substr(11);
  local[10] = ' ';
  return local;
}

std::string at_most(Duration duration) {
  const auto s = std::chrono::ceil<seconds>(std::max(duration, Duration(0))).count();
  if (s < 90) return count_of(s, "second");
  const auto m = std::chrono::ceil<minutes>(duration).count();
  if (m < 120) return count_of(m, "minute");
  if (m < 48 * 60) return count_of(m / 60, "hour") + (m % 60 ? " " + count_of(m % 60, "minute") : "");
  return count_of(std::chrono::ceil<hours>(duration).count(), "hour");
}

std::string at_least(Duration duration) {
  if (duration < minutes(1)) return "less than a minute";
  if (duration < hours(1)) return count_of(std::chrono::floor<minutes>(duration).count(), "minute");
  if (duration < hours(48)) return count_of(std::chrono::floor<hours>(duration).count(), "hour");
  return count_of(std::chrono::floor<std::chrono::days>(duration).count(), "day");
}

std::string sentence(const Ways& ways, const Posture& posture, const schedule::ZoneRules& zone) {
  if (!ways.from) {
    const std::string why = posture.points == 0
                                ? "nothing was ever backed up"
                                : count_of(posture.points, "point") + ", and none that can be counted on";
    return "there is no copy to get back to: " + why;
  }
  const bool restored = posture.proven && *posture.proven >= ProofLevel::P3;
  return restored ? of_a_proof(ways, posture, zone) : of_a_copy(ways, posture, zone);
}

}  // namespace belay::backup
