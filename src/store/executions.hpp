#pragma once
// Durable executions: everything that takes time is a row with a state, a generation and a wake-up time. Several
// servers may claim due rows: a lease keeps them apart, the generation makes sure of it.
//
//   one transaction: claim_due()          … then for each row, in one transaction:
//   events() → step() → save() + add_effects() ; later: claim_effects() → carry out → effect_done()
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::executions {

struct Execution {
  std::string execution_id{};  // UUID or the id of what it drives ("command id")
  std::string kind{};          // "command", "scan-refresh", …
  std::string state = "{}";    // JSON text of that kind's machine
  std::int64_t generation = 1;
  std::optional<Instant> wake_at{};  // absent: sleeps until an event comes
  bool finished = false;
  Instant created_at{}, updated_at{};
  std::string lease_owner{};  // "" where nobody has it
  std::optional<Instant> lease_until{};
};

// already_exists where (kind, id) is there.
Status create(Sql& sql, const Execution& execution);
Result<Execution> get(Sql& sql, std::string_view kind, std::string_view execution_id);
// Due: wake_at ≤ now, not finished, under no lease that still runs. Earliest first, at most `limit`; where more is due,
// each kind that the earliest left out gets a share beside them, so that no kind's backlog starves another. Each is
// then leased to `owner` until now + lease.
inline constexpr std::uint32_t kKindsMax = 32;
constexpr std::uint32_t share_of_a_kind(std::uint32_t limit) { return limit / 4 + 1; }
Result<std::vector<Execution>> claim_due(Sql& sql, std::string_view owner, Instant now, Duration lease,
                                         std::uint32_t limit);
// Keeps state, wake_at, finished; generation + 1; gives the lease back. Events posted since claim_due keep the row
// due: wake_at is then at most `now`. conflict where the generation is not `execution.generation` any more.
Result<Execution> save(Sql& sql, const Execution& execution, Instant now);
// Gives the lease back without a change, due again at `retry_at`; ok where it was lost meanwhile.
Status release(Sql& sql, const Execution& execution, std::string_view owner, Instant retry_at);
// Earlier of its wake-up and `at`. ok where it has ended; not_found where there is none.
Status wake(Sql& sql, std::string_view kind, std::string_view execution_id, Instant at);
struct Filter {
  std::string kind{};
  std::optional<bool> finished{};
};
Result<Listed<Execution>> list(Sql& sql, const Filter& filter, const Page& page);
// Not finished, by kind.
Result<std::vector<std::pair<std::string, std::int64_t>>> open_by_kind(Sql& sql);
// Earliest wake-up of what is not finished: how long the loop may sleep.
Result<std::optional<Instant>> next_wake(Sql& sql);

// ---- events wait in order until the execution has taken them in
struct Event {
  std::int64_t sequence = 0;  // set here
  std::string key{};          // the same key for the same execution is taken once; "" is never a repeat
  std::string body = "{}";    // JSON text
  Instant at{};
};
// Waiting for one execution, more is resource_exhausted: a command's 100,000 nodes may each take, report and end at
// once.
inline constexpr std::size_t kEventsMax = 400'000;
// Also wakes it. Passed over (ok) where it has ended or the key was seen; not_found where there is none.
Status post(Sql& sql, std::string_view kind, std::string_view execution_id, const Event& event);
// The oldest first, at most `limit`.
Result<std::vector<Event>> events(Sql& sql, std::string_view kind, std::string_view execution_id,
                                  std::uint32_t limit = 1'000);
// Call in the transaction of save().
Status taken(Sql& sql, std::string_view kind, std::string_view execution_id, std::int64_t through_sequence);

// ---- effects: an outbox, delivered at least once
struct Effect {
  std::int64_t sequence = 0;           // set here
  std::string kind{}, execution_id{};  // whose it is
  std::string effect{};                // "send-order", …
  std::string body = "{}";             // JSON text
  std::uint32_t attempts = 0;
  std::string last_error{};
  Instant due_at{};
};
Status add_effects(Sql& sql, std::span<const Effect> effects);
// Leased like executions; earliest first. attempts counts this one already.
Result<std::vector<Effect>> claim_effects(Sql& sql, std::string_view owner, Instant now, Duration lease,
                                          std::uint32_t limit);
Status effect_done(Sql& sql, std::int64_t sequence);
// Due again at `retry_at`; the caller bounds attempts and then calls effect_done with an event that says so.
Status effect_failed(Sql& sql, std::int64_t sequence, std::string_view error, Instant retry_at);

// Forgets finished executions (with their events) that ended before; at most `limit`. Returns how many.
Result<std::int64_t> forget_finished(Sql& sql, Instant before, std::uint32_t limit);

}  // namespace belay::store::executions
