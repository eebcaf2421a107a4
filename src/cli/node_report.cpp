#include "cli/node_report.hpp"

#include <algorithm>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/output.hpp"

namespace belay::cli {
namespace {

std::string age_cell(const json::Value& object) {
  const auto* seconds = json::find(object, "AgeSeconds");
  if (!seconds || !seconds->is_number()) return "-";
  return humanize(std::chrono::seconds(seconds->to_number<std::int64_t>()));
}

std::string fact(const json::Value& node, std::string_view name) {
  const auto* facts = json::find(node, "Facts");
  return facts ? cell(*facts, name) : "-";
}

const json::Array& list_of(const json::Value& object, std::string_view member) {
  static const json::Array none;
  const auto* list = json::find(object, member);
  return list && list->is_array() ? list->get_array() : none;
}

void line(std::ostream& out, std::string_view label, const std::string& text) {
  out << "  " << label << std::string(label.size() < 12 ? 12 - label.size() : 1, ' ') << sanitize(text, 2000) << "\n";
}

void print_machine(std::ostream& out, const json::Value& node, const json::Value& verdict) {
  out << cell(node, "Name") << " (" << cell(node, "InstanceId") << ")\n";
  if (const auto* gone = json::find(node, "DeregisteredDate"))
    line(out, "state",
         "deregistered on " + time_cell(gone) + " UTC: no node of the fleet; this is what was known last");
  if (json::find(node, "Facts"))
    line(out, "system",
         fact(node, "os_name") + ", " + fact(node, "architecture") + ", kernel " + fact(node, "kernel_running"));
  line(out, "baseline",
       cell(verdict, "BaselineName") + " (" + cell(verdict, "BaselineId") + ", generation " +
           cell(verdict, "BaselineGeneration") + ")");
  const auto* observed = json::find(verdict, "ObservedDate");
  line(out, "observed", observed ? time_cell(observed) + " UTC, " + age_cell(verdict) + " ago" : "never");
  line(out, "verdict", cell(verdict, "Status"));
}

void print_counts(std::ostream& out, const json::Value& verdict) {
  const auto* counts = json::find(verdict, "Counts");
  if (!counts || !counts->is_object()) return;
  out << "\nPatch states\n";
  for (const auto& [member, label] : {std::pair{"InstalledCount", "INSTALLED"},
                                      {"InstalledOtherCount", "INSTALLED_OTHER"},
                                      {"InstalledPendingRebootCount", "INSTALLED_PENDING_REBOOT"},
                                      {"InstalledRejectedCount", "INSTALLED_REJECTED"},
                                      {"MissingCount", "MISSING"},
                                      {"FailedCount", "FAILED"},
                                      {"AvailableSecurityUpdateCount", "AVAILABLE_SECURITY_UPDATE"},
                                      {"NotApplicableCount", "NOT_APPLICABLE"}}) {
    const std::string value = cell(*counts, member);
    if (value == "0" && std::string_view(member) == "NotApplicableCount") continue;  // of most it cannot be known
    out << "  " << std::string(value.size() < 6 ? 6 - value.size() : 0, ' ') << value << "  " << label << "\n";
  }
}

// The first few ids; the rest is in -o json.
std::string ids_cell(const json::Value& patch, std::string_view member) {
  constexpr std::size_t shown_max = 2;
  const auto& ids = list_of(patch, member);
  if (ids.size() <= shown_max) return cell(patch, member);
  std::string text;
  for (std::size_t i = 0; i < shown_max; ++i)
    text += (i ? ", " : "") + std::string(ids[i].is_string() ? std::string_view(ids[i].get_string()) : "");
  return text + " and " + std::to_string(ids.size() - shown_max) + " more";
}

// A terminal gets the first few ids of each patch, a spreadsheet all.
Table table_of(const json::Array& patches, bool all_ids) {
  const auto ids = [&](const json::Value& patch, std::string_view member) {
    return all_ids ? cell(patch, member) : ids_cell(patch, member);
  };
  Table table{{"PACKAGE", "INSTALLED", "WANTED", "STATE", "SEVERITY", "ADVISORY", "AGE", "WHY"}, {}};
  for (const auto& p : patches) {
    std::string advisory = ids(p, "AdvisoryIds");
    if (advisory == "-") advisory = ids(p, "CVEIds");
    std::string severity = cell(p, "Severity");
    if (severity == "-")
      severity =
          json::find(p, "Security") && json::find(p, "Security")->is_bool() && json::find(p, "Security")->get_bool()
              ? "security"
              : "-";
    std::string why = cell(p, "BlockedBy");
    const auto* decision = json::find(p, "Decision");
    if (why == "-" && decision) why = cell(*decision, "Text");
    std::string wanted = cell(p, "WantedVersion");
    const auto* held = json::find(p, "HeldBack");
    if (wanted == "-" && held) wanted = cell(*held, "Version");
    table.rows.push_back(
        {cell(p, "Name"), cell(p, "InstalledVersion"), wanted, cell(p, "State"), severity, advisory, age_cell(p), why});
  }
  return table;
}

void print_patches(std::ostream& out, const json::Array& patches) {
  if (!patches.empty())
    out << "\nWhat is not installed as the baseline wants it\n" << to_text_table(table_of(patches, false));
}

void print_restarts(std::ostream& out, const json::Value& node) {
  out << "\nReboot and restarts\n";
  const std::string required = fact(node, "reboot_required");
  line(out, "reboot",
       required == "true"    ? "required: " + fact(node, "reboot_reasons")
       : required == "false" ? "not required"
                             : "not known");
  const auto* facts = json::find(node, "Facts");
  const auto& stale = facts ? list_of(*facts, "stale_processes") : list_of(node, "");
  line(out, "restart",
       stale.empty() ? "no process uses a deleted library"
                     : std::to_string(stale.size()) + " processes use deleted libraries");
  for (const auto& process : stale) {
    const std::string service = cell(process, "service");
    line(out, "",
         (service == "-" ? cell(process, "command") : service) + " (pid " + cell(process, "pid") +
             "): " + cell(process, "libraries"));
  }
}

// What is well is told in a word, the rest in full.
void print_storage(std::ostream& out, const json::Value& node) {
  const auto* facts = json::find(node, "Facts");
  const auto& storage = facts ? list_of(*facts, "storage") : list_of(node, "");
  out << "\nStorage\n";
  std::size_t well = 0;
  for (const auto& health : storage) {
    if (cell(health, "state") == "ok") {
      ++well;
      continue;
    }
    const std::string mounts = cell(health, "mounts");
    line(out, cell(health, "state"),
         cell(health, "what") + " " + cell(health, "subject") + (mounts == "-" ? "" : " (" + mounts + ")") + ": " +
             cell(health, "detail"));
  }
  if (storage.empty()) out << "  nothing is known of its arrays, disks and mounts\n";
  else line(out, "ok", std::to_string(well) + " of " + std::to_string(storage.size()) + " that were asked");
}

// Of the scan that was judged: as of a time, what was told then.
void print_problems(std::ostream& out, const json::Value& verdict, const json::Value* source) {
  std::vector<const json::Value*> problems;
  for (const auto& p : list_of(verdict, "Reasons")) problems.push_back(&p);
  if (source)
    for (const auto& p : list_of(*source, "Problems")) problems.push_back(&p);
  out << "\nWhat could not be judged, or needs a look\n";
  if (problems.empty()) out << "  nothing\n";
  std::vector<std::string> said;
  for (const auto* p : problems) {
    const std::string subject = cell(*p, "Subject");
    const std::string text =
        cell(*p, "Reason") + (subject == "-" ? "" : " (" + subject + ")") + ": " + cell(*p, "Detail");
    if (std::ranges::find(said, text) != said.end()) continue;
    said.push_back(text);
    out << "  " << sanitize(text, 2000) << "\n";
    if (cell(*p, "Next") != "-") out << "      next: " << sanitize(cell(*p, "Next"), 500) << "\n";
  }
}

// What a node is, whenever: its present facts say nothing about the past.
json::Value identity_of(const json::Value& node) {
  json::Object identity;
  for (const char* member : {"InstanceId", "Name", "DeregisteredDate"})
    if (const auto* value = json::find(node, member)) identity[member] = *value;
  return identity;
}

}  // namespace

Result<int> print_node_report(Context& context, const std::string& node_id, const std::string& as_of,
                              std::ostream& out) {
  BELAY_TRY_ASSIGN(const auto answer, call(context, "GetNode", {{"InstanceId", node_id}}));
  json::Object request{{"InstanceId", node_id},
                       {"States", json::Array{"MISSING", "FAILED", "INSTALLED_PENDING_REBOOT", "INSTALLED_REJECTED",
                                              "AVAILABLE_SECURITY_UPDATE"}}};
  if (!as_of.empty()) request["AsOf"] = as_of;
  BELAY_TRY_ASSIGN(const auto evidence, call(context, "GetNodeEvidence", request));
  BELAY_TRY_ASSIGN(const auto patches, call_all(context, "GetNodeEvidence", request, "Patches"));
  const json::Value empty = json::Object{};
  const json::Value& present = json::find(answer, "Node") ? *json::find(answer, "Node") : empty;
  const json::Value node = as_of.empty() ? present : identity_of(present);
  const json::Value& verdict = json::find(evidence, "Verdict") ? *json::find(evidence, "Verdict") : empty;
  if (context.format == Format::json) {
    json::Object all{{"Node", node}, {"Verdict", verdict}, {"Patches", patches}};
    if (const auto* source = json::find(evidence, "Evidence")) all["Evidence"] = *source;
    out << json::to_pretty_text(all) << "\n";
  } else if (context.format == Format::csv) {
    out << to_csv(table_of(patches, true));
  } else {
    print_machine(out, node, verdict);
    print_counts(out, verdict);
    print_patches(out, patches);
    if (as_of.empty()) print_restarts(out, node), print_storage(out, node);
    print_problems(out, verdict, json::find(evidence, "Evidence"));
  }
  return json::text_or_empty(verdict, "Status") == "COMPLIANT" ? kExitOk : kExitNonCompliant;
}

}  // namespace belay::cli
