// Belay's own: who changed what, and whether the log is whole.
#include "store/audit.hpp"

#include "server/api/handlers.hpp"
#include "server/api/shapes/validate.hpp"
#include "server/engine/audit_check.hpp"

namespace belay::server {
namespace {

json::Object entry_reply(const store::audit::Entry& entry) {
  return {{"Sequence", entry.sequence}, {"Date", epoch(entry.at)},
          {"Actor", entry.actor},       {"Action", entry.action},
          {"Resource", entry.resource}, {"Detail", entry.detail},
          {"Hash", entry.hash},         {"PreviousHash", entry.previous_hash}};
}

std::int64_t number_or(const Call& call, std::string_view member, std::int64_t otherwise) {
  const auto* value = json::find(call.request, member);
  return value ? value->get_int64() : otherwise;
}

constexpr std::int64_t kEntriesAtOnce = 100'000;  // store::audit::verify's

struct Checked {
  std::int64_t entries = 0, verdicts = 0, last_sequence = 0;
  std::string last_hash, why;
  std::optional<std::int64_t> broken_at;
  void fail(std::int64_t sequence, std::string reason) {
    if (!broken_at) broken_at = sequence, why = std::move(reason);
  }
};

// The head that somebody wrote down must still be an entry of the log. Without it nobody can tell that the newest
// entries are gone, for the log's own note of its head lies in the same store.
Status check_head(const Call& call, Checked& checked) {
  const std::int64_t sequence = number_or(call, "HeadSequence", 0);
  const std::string hash = call.text("HeadHash");
  if (sequence == 0 && hash.empty()) return {};
  if (sequence == 0 || hash.empty())
    return failure("ValidationException", "HeadSequence and HeadHash are one head: give both");
  BELAY_TRY_ASSIGN(const auto kept,
                   call.read([&](store::Sql& sql) { return store::audit::verify(sql, sequence + 1, 0, 0); }));
  if (kept.broken_at)
    checked.fail(sequence, "entry " + std::to_string(sequence) + " is gone, and it was the head once");
  else if (kept.last_hash != hash)
    checked.fail(sequence, "entry " + std::to_string(sequence) + " is another than the head that was written down");
  return {};
}

// A part of the log at a time, so that no transaction lasts long.
Status check_chain(const Call& call, Checked& checked) {
  const std::int64_t to = number_or(call, "ToSequence", 0);
  std::int64_t from = std::max<std::int64_t>(1, number_or(call, "FromSequence", 1));
  for (;;) {
    BELAY_TRY_ASSIGN(const auto part, call.read([&](store::Sql& sql) { return store::audit::verify(sql, from, to); }));
    checked.entries += part.checked;
    checked.last_sequence = part.last_sequence;
    checked.last_hash = part.last_hash;
    if (part.broken_at) return checked.fail(*part.broken_at, part.why), Status();
    if (part.checked < kEntriesAtOnce || (to != 0 && part.last_sequence >= to)) return {};
    BELAY_TRY_ASSIGN(const auto head, call.read([](store::Sql& sql) { return store::audit::head(sql); }));
    if (part.last_sequence >= head.sequence) return {};
    from = part.last_sequence + 1;
  }
}

Status check_told(const Call& call, Checked& checked) {
  VerdictQuestion question;
  question.from = number_or(call, "FromSequence", 1);
  question.to = checked.last_sequence;
  if (const auto* evidence = json::find(call.request, "Evidence")) question.evidence = evidence->get_bool();
  do {
    BELAY_TRY_ASSIGN(const auto part, call.read([&](store::Sql& sql) { return check_verdicts(sql, question); }));
    checked.verdicts += part.verdicts;
    if (part.broken_at)
      return checked.fail(*part.broken_at, "entry " + std::to_string(*part.broken_at) + " told otherwise: " + part.why),
             Status();
    question.after = part.next;
  } while (!question.after.empty());
  return {};
}

}  // namespace

Result<json::Object> list_audit(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 100, 1'000));
  store::audit::Filter filter;
  filter.actor = call.text("Actor");
  filter.action = call.text("Action");
  filter.resource = call.text("Resource");
  if (const auto* from = json::find(call.request, "From")) filter.from = shapes::time_of(*from);
  if (const auto* before = json::find(call.request, "Before")) filter.before = shapes::time_of(*before);
  if (const auto* oldest = json::find(call.request, "OldestFirst")) filter.oldest_first = oldest->get_bool();
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto entries, store::audit::list(sql, filter, page));
    json::Array rows;
    for (const auto& entry : entries.items) rows.push_back(entry_reply(entry));
    json::Object reply{{"Entries", std::move(rows)}};
    put_next(reply, call, entries.next);
    return reply;
  });
}

Result<json::Object> verify_audit(const Call& call) {
  Checked checked;
  BELAY_TRY(check_head(call, checked));
  BELAY_TRY(check_chain(call, checked));
  if (!checked.broken_at) BELAY_TRY(check_told(call, checked));
  json::Object reply{{"Checked", checked.entries},
                     {"VerdictsChecked", checked.verdicts},
                     {"Intact", !checked.broken_at},
                     {"LastSequence", checked.last_sequence}};
  put(reply, "LastHash", json::Value(checked.last_hash));
  put(reply, "Why", json::Value(checked.why));
  if (checked.broken_at) reply["BrokenAt"] = *checked.broken_at;
  return reply;
}

}  // namespace belay::server
