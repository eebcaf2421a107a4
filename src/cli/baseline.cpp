#include <algorithm>
#include <iostream>

#include "base/error_table.hpp"
#include "base/marked_json.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"
#include "io/files.hpp"

namespace belay::cli {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

Result<int> list(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto baselines, call_all(context, "DescribePatchBaselines", {}, "BaselineIdentities"));
  Table table{{"BASELINE", "NAME", "SYSTEM", "DEFAULT"}, {}};
  for (const auto& b : baselines)
    table.rows.push_back(
        {cell(b, "BaselineId"), cell(b, "BaselineName"), cell(b, "OperatingSystem"), cell(b, "DefaultBaseline")});
  print(context, table, json::Object{{"BaselineIdentities", baselines}}, std::cout);
  return kExitOk;
}

Result<int> show(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::baseline, arguments.one("BASELINE")));
  BELAY_TRY_ASSIGN(const auto baseline, call(context, "GetPatchBaseline", {{"BaselineId", id}}));
  print_record(context, baseline, std::cout);
  return kExitOk;
}

Result<json::Object> request_of_file(const std::string& path) {
  BELAY_TRY_ASSIGN(const auto text, io::real_files().read(path, kFileBytesMax));
  BELAY_TRY_ASSIGN(const auto read, parse_marked_json(text, {.bytes_max = kFileBytesMax}).within(path));
  const json::Value& value = read.value;
  if (!value.is_object())
    return Error(Code::invalid_argument,
                 path + ": expected an object with SSM's members (Name, OperatingSystem, ApprovalRules, …)");
  return value.get_object();
}

// What `belay baseline show -o json` tells and nobody sets, so that what was shown can be given back.
void drop_what_is_told(json::Object& request, bool is_new) {
  for (const char* member : {"BaselineId", "CreatedDate", "ModifiedDate", "PatchGroups"}) request.erase(member);
  if (!is_new) request.erase("OperatingSystem");  // it stays what it is
}

Result<int> create(Context& context, const Arguments& arguments) {
  const std::string path = arguments.one("file");
  BELAY_TRY_ASSIGN(auto request, request_of_file(path));
  drop_what_is_told(request, true);
  BELAY_TRY_ASSIGN(const auto answer, call(context, "CreatePatchBaseline", request).within(path));
  print(context, {{"BASELINE"}, {{cell(answer, "BaselineId")}}}, answer, std::cout);
  return kExitOk;
}

Result<int> update(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::baseline, arguments.one("BASELINE")));
  const std::string path = arguments.one("file");
  BELAY_TRY_ASSIGN(auto request, request_of_file(path));
  drop_what_is_told(request, false);
  request["BaselineId"] = id;
  BELAY_TRY_ASSIGN(const auto answer, call(context, "UpdatePatchBaseline", request).within(path));
  print(context, {{"BASELINE"}, {{cell(answer, "BaselineId")}}}, answer, std::cout);
  return kExitOk;
}

Result<int> remove(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::baseline, arguments.one("BASELINE")));
  BELAY_TRY(call(context, "DeletePatchBaseline", {{"BaselineId", id}}));
  say(context, "deleted " + id, {{"BaselineId", id}}, std::cout);
  return kExitOk;
}

Result<int> make_default(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::baseline, arguments.one("BASELINE")));
  BELAY_TRY(call(context, "RegisterDefaultPatchBaseline", {{"BaselineId", id}}));
  say(context, id + " is the default of its system", {{"BaselineId", id}}, std::cout);
  return kExitOk;
}

Result<int> assign(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::baseline, arguments.one("BASELINE")));
  BELAY_TRY(call(context, "RegisterPatchBaselineForPatchGroup",
                 {{"BaselineId", id}, {"PatchGroup", arguments.one("GROUP")}}));
  const std::string group = arguments.one("GROUP");
  say(context, "patch group " + group + " uses " + id, {{"BaselineId", id}, {"PatchGroup", group}}, std::cout);
  return kExitOk;
}

Result<int> unassign(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::baseline, arguments.one("BASELINE")));
  const std::string group = arguments.one("GROUP");
  BELAY_TRY_ASSIGN(const auto baseline, call(context, "GetPatchBaseline", {{"BaselineId", id}}));
  const auto* groups = json::find(baseline, "PatchGroups");
  const auto* bound = groups ? groups->if_array() : nullptr;
  // SSM takes off what was never there, too; a mistyped group is to be heard of.
  if (!bound || std::ranges::find(*bound, json::Value(group)) == bound->end())
    return Error(Code::not_found, "patch group " + sanitize(group, 256) + " does not use " + id +
                                      "; `belay baseline show " + id + "` lists its PatchGroups");
  BELAY_TRY(call(context, "DeregisterPatchBaselineForPatchGroup", {{"BaselineId", id}, {"PatchGroup", group}}));
  say(context, "patch group " + group + " uses " + id + " no more", {{"BaselineId", id}, {"PatchGroup", group}},
      std::cout);
  return kExitOk;
}

Result<int> effective(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::baseline, arguments.one("BASELINE")));
  BELAY_TRY_ASSIGN(const auto patches, call_all(context, "DescribeEffectivePatchesForPatchBaseline",
                                                {{"BaselineId", id}}, "EffectivePatches"));
  Table table{{"PATCH", "STATUS", "COMPLIANCE LEVEL", "APPROVED (UTC)"}, {}};
  for (const auto& row : patches) {
    const auto* patch = json::find(row, "Patch");
    const auto* status = json::find(row, "PatchStatus");
    if (!patch || !status) continue;
    table.rows.push_back({cell(*patch, "Title"), cell(*status, "DeploymentStatus"), cell(*status, "ComplianceLevel"),
                          time_cell(json::find(*status, "ApprovalDate"))});
  }
  print(context, table, json::Object{{"EffectivePatches", patches}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec baseline_command() {
  const PositionalSpec id{"BASELINE", "its id (pb-…)"};
  const PositionalSpec group{"GROUP", "value of the nodes' PatchGroup tag"};
  const OptionSpec file{"-f,--file", "JSON with SSM's members", Takes::one_value, true};
  return {"baseline",
          "what is approved: list, show, create, update, delete, default, assign, unassign, effective",
          {},
          {},
          {},
          {{"list", "every baseline", {}, {}, list, {}},
           {"show", "one baseline whole", {id}, {}, show, {}},
           {"create", "a baseline of a file", {}, {file}, create, {}},
           {"update", "change a baseline by a file", {id}, {file}, update, {}},
           {"delete", "remove a baseline that nothing uses", {id}, {}, remove, {}},
           {"default", "make it the default of its system", {id}, {}, make_default, {}},
           {"assign", "use it for a patch group", {id, group}, {}, assign, {}},
           {"unassign", "take it off a patch group", {id, group}, {}, unassign, {}},
           {"effective", "what it approves of all that the fleet is offered", {id}, {}, effective, {}}}};
}

}  // namespace belay::cli
