#include <algorithm>
#include <charconv>
#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace belay::cli {
namespace {

Result<int> list(Context& context, const Arguments& arguments) {
  json::Object request;
  for (const auto& [option, member] : {std::pair{"action", "Action"},
                                       {"actor", "Actor"},
                                       {"resource", "Resource"},
                                       {"from", "From"},
                                       {"before", "Before"}})
    if (arguments.has(option)) request[member] = arguments.one(option);
  for (const std::string option : {"from", "before"})
    if (arguments.has(option)) BELAY_TRY(parse_iso8601(arguments.one(option)).within("--" + option));
  BELAY_TRY_ASSIGN(const auto entries, call_all(context, "ListAudit", request, "Entries"));
  Table table{{"SEQUENCE", "AT (UTC)", "ACTOR", "ACTION", "RESOURCE"}, {}};
  for (const auto& e : entries)
    table.rows.push_back({cell(e, "Sequence"), time_cell(json::find(e, "Date")), cell(e, "Actor"), cell(e, "Action"),
                          cell(e, "Resource")});
  print(context, table, json::Object{{"Entries", entries}}, std::cout);
  return kExitOk;
}

// "SEQUENCE:HASH", as verify prints it.
Status add_head(const std::string& text, json::Object& request) {
  const auto colon = text.find(':');
  std::int64_t sequence = 0;
  const char* end = text.data() + std::min(colon, text.size());
  const auto [at, error] = std::from_chars(text.data(), end, sequence);
  const std::string hash = colon == std::string::npos ? "" : text.substr(colon + 1);
  const bool is_hash = hash.size() == 64 && hash.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (error != std::errc() || at != end || sequence < 1 || !is_hash)
    return Error(Code::invalid_argument,
                 "--head is '" + sanitize(text, 100) + "': write SEQUENCE:HASH, as `belay audit verify` printed it");
  request["HeadSequence"] = sequence;
  request["HeadHash"] = hash;
  return {};
}

Result<int> verify(Context& context, const Arguments& arguments) {
  json::Object request;
  if (arguments.has("head")) BELAY_TRY(add_head(arguments.one("head"), request));
  if (arguments.has("evidence")) request["Evidence"] = true;
  BELAY_TRY_ASSIGN(const auto answer, call(context, "VerifyAudit", request));
  const auto* intact = json::find(answer, "Intact");
  const bool whole = intact && intact->is_bool() && intact->get_bool();
  if (context.format != Format::table) print_record(context, answer, std::cout);
  else if (whole)
    std::cout << "intact: " << cell(answer, "Checked") << " entries follow each other, and "
              << cell(answer, "VerdictsChecked") << " verdicts are as they were told"
              << (arguments.has("head") ? "; the head that you gave is among them" : "") << "\n"
              << "the head is " << cell(answer, "LastSequence") << ":" << cell(answer, "LastHash") << "\n"
              << "Write it down outside this server. `belay audit verify --head` with it shows later whether entries "
                 "up to it were cut off or written anew; nothing inside the server can.\n";
  else
    std::cout << "BROKEN at entry " << cell(answer, "BrokenAt") << ": " << cell(answer, "Why")
              << "\nThe log, or what it tells of, was changed after it was written. Compare with a backup of the "
                 "server's data before trusting it.\n";
  return whole ? kExitOk : meaning(Code::corrupt).exit_status;
}

}  // namespace

CommandSpec audit_command() {
  return {
      "audit",
      "who changed what: list, verify",
      {},
      {},
      {},
      {{"list",
        "entries, the newest first",
        {},
        {{"--action", "only this action"},
         {"--actor", "only this actor"},
         {"--resource", "only this resource"},
         {"--from", "from this time (2026-11-23T18:00:00Z)"},
         {"--before", "before this time"}},
        list,
        {}},
       {"verify",
        "walk the hash chain, and compare the verdicts with what it tells; exit status 10 where something does not fit",
        {},
        {{"--head", "SEQUENCE:HASH that was written down: it must still be an entry"},
         {"--evidence", "also read the evidence and the scan of every verdict", Takes::nothing}},
        verify,
        {}}}};
}

}  // namespace belay::cli
