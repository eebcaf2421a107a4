// Belay's own: who changed what, and whether the log is whole.
#include "store/audit.hpp"

#include "server/api/handlers.hpp"
#include "server/api/shapes/validate.hpp"

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
  const std::int64_t to = number_or(call, "ToSequence", 0);
  std::int64_t from = std::max<std::int64_t>(1, number_or(call, "FromSequence", 1)), checked = 0;
  for (;;) {  // a part of the log at a time, so that no transaction lasts long
    BELAY_TRY_ASSIGN(const auto part, call.read([&](store::Sql& sql) { return store::audit::verify(sql, from, to); }));
    checked += part.checked;
    const bool more =
        !part.broken_at && part.checked > 0 && part.last_sequence >= from && (to == 0 || part.last_sequence < to);
    if (more) {
      BELAY_TRY_ASSIGN(const auto head, call.read([](store::Sql& sql) { return store::audit::head(sql); }));
      if (part.last_sequence < head.sequence && part.checked >= 100'000) {
        from = part.last_sequence + 1;
        continue;
      }
    }
    json::Object reply{{"Checked", checked}, {"Intact", !part.broken_at}, {"LastSequence", part.last_sequence}};
    put(reply, "LastHash", json::Value(part.last_hash));
    put(reply, "Why", json::Value(part.why));
    if (part.broken_at) reply["BrokenAt"] = *part.broken_at;
    return reply;
  }
}

}  // namespace belay::server
