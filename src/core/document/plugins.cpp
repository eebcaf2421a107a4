#include "core/document/plugins.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "core/document/references.hpp"

namespace belay::document {
namespace {

constexpr std::int64_t kSecondsMax = 172'800;

Error refused(std::string what) { return Error(Code::invalid_argument, std::move(what), "InvalidParameters"); }

// ---- reading inputs whose references are replaced
std::string text_at(const json::Object& inputs, std::string_view name) {
  const auto* value = inputs.if_contains(name);
  return value && !value->is_null() ? text_of(*value) : std::string();
}

Result<Duration> seconds_at(const json::Object& inputs, std::string_view name, std::int64_t when_absent) {
  const auto text = text_at(inputs, name);
  if (text.empty()) return Duration(when_absent * 1'000);
  const auto number = json::decode_text<std::int64_t>(text);
  if (!number.ok() || *number < 1 || *number > kSecondsMax)
    return refused(std::string(name) + " is '" + sanitize(text, 40) + "', expected 1 to 172800 seconds");
  return Duration(*number * 1'000);
}

Result<bool> flag_at(const json::Object& inputs, std::string_view name) {
  const auto text = to_lower(text_at(inputs, name));
  if (!text.empty() && text != "true" && text != "false")
    return refused(std::string(name) + " is '" + sanitize(text, 40) + "', expected true or false");
  return text == "true";
}

Status one_of(std::string_view name, const std::string& value, std::string_view choices) {
  const auto known = split(choices, ',');
  if (std::ranges::find(known, value) != known.end()) return {};
  return refused(std::string(name) + " is '" + sanitize(value, 60) + "', expected one of " + std::string(choices));
}

Status no_control(std::string_view name, std::string_view text) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (text.size() > 4'096 || std::ranges::any_of(text, control))
    return refused(std::string(name) + " is too long or has a control character");
  return {};
}

// A path as a step has it: anywhere on the machine where it says so, else within the run's own directory.
Status path_at(std::string_view name, std::string_view path) {
  BELAY_TRY(no_control(name, path));
  if (leads_out(path))
    return refused(std::string(name) + " is '" + sanitize(path, 100) + "', which leads out of the run's own directory");
  return {};
}

Result<json::Object> object_at(const json::Object& inputs, std::string_view name) {
  const auto* value = inputs.if_contains(name);
  if (!value || value->is_null()) return json::Object();
  if (value->is_object()) return value->get_object();
  if (value->is_string()) {
    if (value->get_string().empty()) return json::Object();
    if (auto parsed = json::parse(value->get_string()); parsed.ok() && parsed->is_object()) return parsed->get_object();
  }
  return refused(std::string(name) + " is no mapping");
}

// ---- one builder a plugin
Result<Work> build_shell(const json::Object& inputs) {
  RunShellScript work;  // the script itself is rendered by expand()
  work.working_directory = text_at(inputs, "workingDirectory");
  BELAY_TRY(path_at("workingDirectory", work.working_directory));
  BELAY_TRY_ASSIGN(work.timeout, seconds_at(inputs, "timeoutSeconds", 3'600));
  return Work(work);
}

Status build_http(const json::Object& info, DownloadContent& work) {
  work.location = text_at(info, work.source == Source::S3 ? "path" : "url");
  work.sha256 = to_lower(text_at(info, "sha256"));
  const bool hex = work.sha256.size() == 64 && work.sha256.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!work.sha256.empty() && !hex) return refused("sourceInfo.sha256 is no SHA-256: expected 64 hexadecimal digits");
  if (work.location.starts_with("https://")) return {};
  if (!work.location.starts_with("http://"))
    return refused("sourceInfo: '" + sanitize(work.location, 100) + "' is no https:// address");
  if (work.sha256.empty()) return refused("sourceInfo: an http:// address needs sha256; or use https://");
  return {};
}

Status build_git(const json::Object& info, DownloadContent& work) {
  work.location = text_at(info, "repository");
  if (!work.location.starts_with("https://"))
    return refused("sourceInfo.repository is '" + sanitize(work.location, 100) + "': only https:// is taken");
  const auto options = text_at(info, "getOptions");
  if (options.empty()) return {};
  const auto colon = options.find(':');
  const auto kind = options.substr(0, colon);
  const auto ref = colon == std::string::npos ? std::string() : std::string(trim(options.substr(colon + 1)));
  if (ref.empty() || ref.front() == '-' || (kind != "branch" && kind != "commitID"))
    return refused("sourceInfo.getOptions is '" + sanitize(options, 60) + "', expected branch:NAME or commitID:HASH");
  (kind == "branch" ? work.git_branch : work.git_commit) = ref;
  return {};
}

// GitHub is Git at an address that is known.
Status build_github(const json::Object& info, DownloadContent& work) {
  const auto owner = text_at(info, "owner"), repository = text_at(info, "repository");
  const auto is_word = [](std::string_view text) {
    return !text.empty() &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
               std::string_view::npos;
  };
  if (!is_word(owner) || !is_word(repository)) return refused("sourceInfo: owner and repository are needed");
  BELAY_TRY(build_git({{"repository", "https://github.com/" + owner + "/" + repository + ".git"},
                       {"getOptions", text_at(info, "getOptions")}},
                      work));
  work.source = Source::Git;
  work.path = text_at(info, "path");
  if (work.path.starts_with('/') || leads_out(work.path)) return refused("sourceInfo.path leads out of the repository");
  return {};
}

Result<Work> build_download(const json::Object& inputs) {
  static constexpr std::array<std::string_view, 8> kKnown = {"path",       "url",  "sha256",  "repository",
                                                             "getOptions", "name", "version", "owner"};
  DownloadContent work;
  const auto type = text_at(inputs, "sourceType");
  BELAY_TRY(one_of("sourceType", type, "S3,HTTP,Git,GitHub,SSMDocument"));
  boost::describe::enum_from_string(type.c_str(), work.source);
  BELAY_TRY_ASSIGN(const auto info, object_at(inputs, "sourceInfo"));
  for (const auto& member : info) {
    if (std::ranges::find(kKnown, std::string_view(member.key())) == kKnown.end())
      return refused("sourceInfo." + sanitize(member.key(), 60) +
                     " is not known here; secrets in documents are not taken");
    if (!member.value().is_string()) return refused("sourceInfo." + sanitize(member.key(), 60) + " is no text");
  }
  switch (work.source) {
    case Source::S3:
    case Source::HTTP: BELAY_TRY(build_http(info, work)); break;
    case Source::Git: BELAY_TRY(build_git(info, work)); break;
    case Source::GitHub: BELAY_TRY(build_github(info, work)); break;
    case Source::SSMDocument:
      work.location = text_at(info, "name");
      work.document_version = text_at(info, "version");
      if (work.location.empty()) return refused("sourceInfo.name is missing: the document to put down as a file");
      break;
  }
  work.destination = text_at(inputs, "destinationPath");
  BELAY_TRY(path_at("destinationPath", work.destination));
  BELAY_TRY(no_control("sourceInfo", work.location + work.path));
  return Work(work);
}

Result<Work> build_run_document(const json::Object& inputs) {
  RunDocument work;
  const auto type = text_at(inputs, "documentType");
  BELAY_TRY(one_of("documentType", type, "SSMDocument,LocalPath"));
  (type == "LocalPath" ? work.local_path : work.document) = text_at(inputs, "documentPath");
  if (text_at(inputs, "documentPath").empty()) return refused("documentPath is empty");
  BELAY_TRY(path_at("documentPath", work.local_path));
  BELAY_TRY(no_control("documentPath", work.document));
  work.version = text_at(inputs, "documentVersion");
  BELAY_TRY_ASSIGN(work.parameters, object_at(inputs, "documentParameters"));
  return Work(work);
}

Result<Work> build_inventory(const json::Object& inputs) {
  SoftwareInventory work;
  for (const auto& member : inputs) {
    auto text = text_of(member.value());
    if (!text.empty()) work.gather.emplace(std::string(member.key()), std::move(text));
  }
  return Work(work);
}

Result<Work> build_package(const json::Object& inputs) {
  ConfigurePackage work;
  work.name = text_at(inputs, "name");
  if (work.name == "AmazonSSMAgent") work.name = "belay-agent";
  if (work.name != "belay-agent")
    return refused("name is '" + sanitize(work.name, 60) +
                   "': only belay-agent is there; packages of Distributor are not there yet");
  work.action = text_at(inputs, "action");
  BELAY_TRY(one_of("action", work.action, "Install,Uninstall"));
  work.version = text_at(inputs, "version");
  if (work.version == "latest") work.version.clear();
  if (work.version.find_first_not_of("0123456789.") != std::string::npos)
    return refused("version is '" + sanitize(work.version, 60) + "', expected digits and dots, or latest");
  BELAY_TRY_ASSIGN(work.allow_downgrade, flag_at(inputs, "allowDowngrade"));
  return Work(work);
}

Result<Work> build_refresh(const json::Object& inputs) {
  RefreshAssociation work;
  if (const auto* ids = inputs.if_contains("associationIds"); ids && ids->is_array())
    for (const auto& id : ids->get_array()) work.association_ids.push_back(text_of(id));
  return Work(work);
}

Result<Work> build_patch(const json::Object& inputs) {
  Patch work;
  work.operation = text_at(inputs, "operation");
  BELAY_TRY(one_of("operation", work.operation, "Scan,Install"));
  work.snapshot_id = text_at(inputs, "snapshotId");
  work.install_override_list = text_at(inputs, "installOverrideList");
  work.baseline_override = text_at(inputs, "baselineOverride");
  work.change_set_id = text_at(inputs, "changeSetId");
  work.association_id = text_at(inputs, "associationId");
  BELAY_TRY_ASSIGN(work.leave_if_nothing_missing, flag_at(inputs, "leaveIfNothingMissing"));
  if (const auto option = text_at(inputs, "rebootOption"); !option.empty()) work.reboot_option = option;
  BELAY_TRY(one_of("rebootOption", work.reboot_option, "RebootIfNeeded,NoReboot"));
  if (!work.install_override_list.empty() && work.operation != "Install")
    return refused("InstallOverrideList goes with Operation=Install only");
  if (!work.install_override_list.empty() && !work.baseline_override.empty())
    return refused("InstallOverrideList and BaselineOverride exclude each other");
  return Work(work);
}

Result<Work> build_reboot(const json::Object& inputs) {
  Reboot work;
  if (const auto when = text_at(inputs, "when"); !when.empty()) work.when = when;
  if (work.when == "RebootIfNeeded") work.when = "IfNeeded";
  if (work.when == "NoReboot") work.when = "Never";
  BELAY_TRY(one_of("when", work.when, "Always,IfNeeded,Never"));
  return Work(work);
}

// ---- the tables
using enum InputKind;
constexpr InputField kShell[] = {
    {"runCommand", script, true}, {"workingDirectory"}, {"timeoutSeconds", seconds}, {"id"}};
constexpr InputField kDownload[] = {
    {"sourceType", text, true}, {"sourceInfo", map, true}, {"destinationPath"}, {"timeoutSeconds", seconds}, {"id"}};
constexpr InputField kRunDocument[] = {{"documentType", text, true, "SSMDocument,LocalPath"},
                                       {"documentPath", text, true},
                                       {"documentVersion"},
                                       {"documentParameters", parameters},
                                       {"id"}};
constexpr InputField kInventory[] = {{"applications"},
                                     {"awsComponents"},
                                     {"files"},
                                     {"networkConfig"},
                                     {"windowsUpdates"},
                                     {"instanceDetailedInformation"},
                                     {"services"},
                                     {"windowsRegistry"},
                                     {"windowsRoles"},
                                     {"customInventory"},
                                     {"customInventoryDirectory"},
                                     {"billingInfo"},
                                     {"id"}};
constexpr InputField kPackage[] = {{"name", text, true},
                                   {"action", text, true},
                                   {"version"},
                                   {"installationType", text, false, "Uninstall and reinstall,In-place update"},
                                   {"allowDowngrade", flag},
                                   {"id"}};
constexpr InputField kRefresh[] = {{"associationIds", texts}, {"id"}};
constexpr InputField kPatch[] = {
    {"operation", text, true}, {"snapshotId"},    {"installOverrideList"}, {"baselineOverride"},
    {"changeSetId"},           {"associationId"}, {"rebootOption"},        {"leaveIfNothingMissing", flag}};
constexpr InputField kReboot[] = {{"when"}};

constexpr Plugin kPlugins[] = {
    {RunShellScript::kKind, kShell, build_shell},
    {DownloadContent::kKind, kDownload, build_download},
    {RunDocument::kKind, kRunDocument, build_run_document},
    {SoftwareInventory::kKind, kInventory, build_inventory},
    {ConfigurePackage::kKind, kPackage, build_package},
    {RefreshAssociation::kKind, kRefresh, build_refresh},
    {Patch::kKind, kPatch, build_patch},
    {Reboot::kKind, kReboot, build_reboot},
};

struct NotThere {
  std::string_view action, why;
};
constexpr NotThere kNotThere[] = {
    {"aws:runPowerShellScript", "runs on Windows nodes only"},
    {"aws:psModule", "runs on Windows nodes only"},
    {"aws:domainJoin", "is not there yet"},
    {"aws:applications", "runs on Windows nodes only"},
    {"aws:cloudWatch", "is of AWS's own services"},
    {"aws:configureDocker", "runs on Windows nodes only"},
    {"aws:runDockerAction", "is not there yet; call docker in aws:runShellScript"},
    {"aws:updateAgent", "is of AWS's own agents; use aws:configurePackage with the name belay-agent"},
    {"aws:updateSsmAgent", "is of AWS's own agents; use aws:configurePackage with the name belay-agent"},
};

// ---- checking inputs before values are known
bool may_stand_for(InputKind kind, ParameterType type) {
  const bool scalar = type == ParameterType::String || type == ParameterType::Integer || type == ParameterType::Boolean;
  switch (kind) {
    case text:
    case seconds:
    case flag: return scalar;
    case script:
    case texts: return scalar || type == ParameterType::StringList;
    case map:
    case parameters: return type == ParameterType::StringMap || type == ParameterType::String;
  }
  return false;
}

class InputChecker {
 public:
  InputChecker(Reader& reader, StepTemplate& step, std::span<const Parameter> declared, std::vector<std::string>& used)
      : reader_(reader), step_(step), declared_(declared), used_(used) {}

  void check(const InputField& field, json::Value& value) {
    const auto path = member_path(member_path(step_.path, "inputs"), field.name);
    if (field.kind == script) {
      step_.script = std::make_shared<const Script>(Script::read(reader_, value, path, declared_));
      for (auto& name : step_.script->names(declared_)) used_.push_back(std::move(name));
      return;
    }
    const auto whole = value.is_string() ? whole_reference(value.get_string()) : std::string();
    if (!whole.empty()) return check_whole(field, path, whole);
    if (field.kind == map || field.kind == parameters) open_text(value);
    check_references(field.kind, value, path);
    check_shape(field, value, path);
  }

 private:
  void check_whole(const InputField& field, const std::string& path, const std::string& name) {
    used_.push_back(name);
    const auto* parameter = find_parameter(declared_, name);
    if (!parameter) return undeclared(path, name);
    if (!may_stand_for(field.kind, parameter->type))
      reader_.refuse(path, "{{ " + name + " }} is a " + boost::describe::enum_to_string(parameter->type, "?") +
                               " and cannot stand here");
  }

  void undeclared(const std::string& path, const std::string& name) {
    reader_.refuse(path, "{{ " + sanitize(name, 60) + " }} " +
                             (name.starts_with("ssm:") ? "is of Parameter Store, which is not there yet"
                                                       : "names no parameter of the document"));
  }

  // {"SnapshotId": {{ SnapshotId }}}: a reference outside the text's strings is a value of its own.
  static std::string with_quoted_references(std::string_view text) {
    std::string out;
    bool in_string = false;
    for (const auto& piece : pieces_of(text)) {
      for (std::size_t i = 0; i < piece.text.size(); ++i) {
        if (in_string && piece.text[i] == '\\') out += piece.text[i++];
        else if (piece.text[i] == '"') in_string = !in_string;
        if (i < piece.text.size()) out += piece.text[i];
      }
      if (piece.name.empty()) continue;
      const auto reference = "{{ " + piece.name + " }}";
      out += in_string ? reference : "\"" + reference + "\"";
    }
    return out;
  }

  static void open_text(json::Value& value) {
    if (!value.is_string()) return;
    auto parsed = json::parse(with_quoted_references(value.get_string()));
    if (parsed.ok() && parsed->is_object()) value = std::move(*parsed);
  }

  void check_references(InputKind kind, const json::Value& value, const std::string& path) {
    for (const auto& name : references_in(value)) {
      used_.push_back(name);
      const auto* parameter = find_parameter(declared_, name);
      if (!parameter) undeclared(path, name);
      else if (kind != parameters && !may_stand_for(text, parameter->type))
        reader_.refuse(path, "{{ " + name + " }} is a " + boost::describe::enum_to_string(parameter->type, "?") +
                                 " and cannot stand inside a text");
    }
  }

  void check_shape(const InputField& field, const json::Value& value, const std::string& path) {
    const bool has_reference = !references_in(value).empty();
    switch (field.kind) {
      case text:
        if (!value.is_string() && !value.is_int64() && !value.is_bool()) return reader_.refuse(path, "expected text");
        if (!field.choices.empty() && !has_reference)
          if (const auto fits = one_of(field.name, text_of(value), field.choices); !fits.ok())
            reader_.refuse(path, fits.error().message());
        return;
      case seconds: {
        const auto read = seconds_at(json::Object{{field.name, value}}, field.name, 1);
        if (!has_reference && !read.ok()) reader_.refuse(path, read.error().message());
        return;
      }
      case flag: {
        const auto read = flag_at(json::Object{{field.name, value}}, field.name);
        if (!has_reference && !read.ok()) reader_.refuse(path, read.error().message());
        return;
      }
      case texts:
        if (!value.is_array() || !std::ranges::all_of(value.get_array(), [](const auto& v) { return v.is_string(); }))
          reader_.refuse(path, "expected a list of texts");
        return;
      case map:
      case parameters:
        if (!value.is_object()) reader_.refuse(path, "expected a mapping");
        return;
      case script: return;
    }
  }

  Reader& reader_;
  StepTemplate& step_;
  std::span<const Parameter> declared_;
  std::vector<std::string>& used_;
};

}  // namespace

bool leads_out(std::string_view path) {
  if (path.starts_with('/')) return false;
  int depth = 0;
  for (const auto part : split(path, '/')) {
    if (part == "..") --depth;
    else if (!part.empty() && part != ".") ++depth;
    if (depth < 0) return true;
  }
  return false;
}

const Plugin* find_plugin(std::string_view action) {
  const auto at = std::ranges::find(kPlugins, action, &Plugin::action);
  return at == std::end(kPlugins) ? nullptr : at;
}

std::string_view plugin_not_there_yet(std::string_view action) {
  const auto at = std::ranges::find(kNotThere, action, &NotThere::action);
  return at == std::end(kNotThere) ? std::string_view() : at->why;
}

namespace {

// SSM takes the names of inputs in any case, and its own documents make use of it (SourceType).
json::Object with_plain_names(const Plugin& plugin, const json::Object& inputs) {
  json::Object out;
  for (const auto& member : inputs) {
    const auto field = std::ranges::find_if(plugin.inputs, [&](const InputField& one) {
      return equal_ignoring_case(one.name, std::string_view(member.key()));
    });
    const bool known = field != plugin.inputs.end() && !inputs.contains(field->name);
    out.emplace(known ? boost::json::string_view(field->name) : boost::json::string_view(member.key()), member.value());
  }
  return out;
}

}  // namespace

void check_inputs(Reader& reader, const Plugin& plugin, StepTemplate& step, std::span<const Parameter> parameters,
                  std::vector<std::string>& used) {
  step.inputs = with_plain_names(plugin, step.inputs);
  InputChecker checker(reader, step, parameters, used);
  const auto path = member_path(step.path, "inputs");
  for (auto& member : step.inputs) {
    const auto field = std::ranges::find(plugin.inputs, std::string_view(member.key()), &InputField::name);
    if (field != plugin.inputs.end()) {
      if (!member.value().is_null()) checker.check(*field, member.value());
      continue;
    }
    std::string known;
    for (const auto& one : plugin.inputs) known += (known.empty() ? "" : ", ") + std::string(one.name);
    reader.refuse(member_path(path, member.key()), std::string(plugin.action) + " has no such input; it has " + known);
  }
  for (const auto& field : plugin.inputs) {
    const auto* value = step.inputs.if_contains(field.name);
    if (field.required && (!value || value->is_null())) reader.refuse(member_path(path, field.name), "is missing");
  }
}

}  // namespace belay::document
