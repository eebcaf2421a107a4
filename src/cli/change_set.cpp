#include "cli/change_set.hpp"

#include <iostream>
#include <thread>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/progress.hpp"

namespace belay::cli {
namespace {

std::string nodes_of(const json::Value& part) {
  const auto* ids = json::find(part, "NodeIds");
  const std::size_t count = ids && ids->is_array() ? ids->get_array().size() : 0;
  return counted(std::to_string(count), "node");
}

}  // namespace

std::string counted(const std::string& number, const std::string& word) {
  return number + " " + word + (number == "1" ? "" : "s");
}

Status wait_until_frozen(Context& context, const std::string& id) {
  std::string said;
  for (;;) {
    BELAY_TRY_ASSIGN(const auto answer, call(context, "GetChangeSet", {{"ChangeSetId", id}}));
    const auto* summary = json::find(answer, "ChangeSet");
    if (!summary) return Error(Code::internal, "GetChangeSet: the server's answer has no change set");
    const std::string status = json::text_or_empty(*summary, "Status"),
                      details = json::text_or_empty(*summary, "StatusDetails");
    if (status == "Failed") return Error(Code::conflict, "no change set could be made: " + details, "plan-failed");
    if (status != "Planning") return {};
    if (details != said && !details.empty()) std::cerr << "  " << sanitize(details, 500) << "\n";
    said = details;
    std::this_thread::sleep_for(kPollEvery);
  }
}

Table changes_table(const json::Value& answer) {
  Table table{{"PACKAGE", "ARCH", "FROM", "TO", "FOR", "SHA256"}, {}};
  const auto* parts = json::find(answer, "Parts");
  if (!parts || !parts->is_array()) return table;
  for (const auto& part : parts->get_array()) {
    const auto* changes = json::find(part, "Changes");
    if (!changes || !changes->is_array()) continue;
    for (const auto& c : changes->get_array())
      table.rows.push_back({cell(c, "Name"), cell(c, "Architecture"), cell(c, "FromVersion"), cell(c, "ToVersion"),
                            nodes_of(part), cell(c, "Sha256").substr(0, 12)});
  }
  return table;
}

Result<int> show_change_set(Context& context, const std::string& id, const std::string& what_next) {
  BELAY_TRY_ASSIGN(const auto answer, call(context, "GetChangeSet", {{"ChangeSetId", id}}));
  print(context, changes_table(answer), answer, std::cout);
  if (context.format != Format::table) return kExitOk;
  const auto* summary = json::find(answer, "ChangeSet");
  if (!summary) return kExitOk;
  std::cout << "\nchange set " << id << ": " << counted(cell(*summary, "PackageCount"), "package") << " for "
            << counted(cell(*summary, "NodeCount"), "node") << " under " << cell(*summary, "BaselineId")
            << ", frozen with hash " << cell(*summary, "Sha256").substr(0, 16) << "…\n";
  if (const auto* pool = json::find(answer, "Pool"))
    std::cout << "package pool: " << cell(*pool, "InPoolCount") << " of "
              << counted(cell(*pool, "PackageCount"), "file") << "\n";
  std::cout << (cell(*summary, "PackageCount") == "0" ? "there is nothing to install" : what_next) << "\n";
  return kExitOk;
}

}  // namespace belay::cli
