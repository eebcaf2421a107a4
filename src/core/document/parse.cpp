#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "core/document/document.hpp"
#include "core/document/plugins.hpp"
#include "core/document/references.hpp"

namespace belay::document {
namespace {

constexpr std::size_t kNameMax = 128;

bool is_step_name(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == ':';
  };
  return !text.empty() && text.size() <= kNameMax && std::ranges::all_of(text, fits);
}

class DocumentParser {
 public:
  explicit DocumentParser(const MarkedValue& content) : content_(content), reader_(content) {}

  Result<CommandDocument> parse() {
    const auto* root = reader_.object(content_.value, "");
    if (!root) return reader_.error();
    document_.schema_version = schema_version_of(content_.value);
    const auto& version = document_.schema_version;
    if (version != "1.2" && version != "2.0" && version != "2.2") {
      const auto* written = root->if_contains("schemaVersion");
      reader_.refuse("schemaVersion", (written ? "is " + sanitize(json::to_text(*written), 40) : "is missing") +
                                          std::string("; a Command document has \"1.2\", \"2.0\" or \"2.2\""));
      return reader_.error("InvalidDocumentSchemaVersion");
    }
    document_.description = reader_.text(*root, "", "description", false, 16'384);
    document_.parameters = read_parameters(reader_, root->if_contains("parameters"));
    if (version == "1.2") read_runtime_config(*root);
    else read_main_steps(*root);
    check_usage();
    check_finally();
    if (!reader_.ok()) return reader_.error();
    return std::move(document_);
  }

 private:
  void read_main_steps(const json::Object& root) {
    reader_.only(root, "", {"schemaVersion", "description", "parameters", "mainSteps"});
    const auto* steps = root.if_contains("mainSteps");
    if (!steps || !steps->is_array() || steps->get_array().empty())
      return reader_.refuse("mainSteps", "expected a list of one step or more");
    if (steps->get_array().size() > kStepsMax) reader_.refuse("mainSteps", "has more than 200 steps");
    for (std::size_t i = 0; i < steps->get_array().size(); ++i) {
      const auto path = item_path("mainSteps", i);
      if (const auto* step = reader_.object(steps->get_array()[i], path)) read_step(*step, path);
    }
  }

  void read_step(const json::Object& object, const std::string& path) {
    for (const auto* other : {"nextStep", "isEnd", "isCritical", "onCancel"})
      if (object.contains(other))
        return reader_.refuse(member_path(path, other), "belongs to Automation (schema 0.3); steps run in order here");
    reader_.only(object, path,
                 {"action", "name", "description", "precondition", "inputs", "onFailure", "onSuccess", "finallyStep",
                  "timeoutSeconds"});
    StepTemplate step;
    step.path = path;
    step.action = reader_.text(object, path, "action", true);
    step.name = reader_.text(object, path, "name", true);
    read_precondition(object, step);
    static const json::Value kNone = json::Object();
    const auto* inputs = object.if_contains("inputs");
    if (const auto* given = reader_.object(inputs ? *inputs : kNone, member_path(path, "inputs"))) step.inputs = *given;
    read_control(object, path, step);
    read_control(step.inputs, member_path(path, "inputs"), step);
    if (const auto* seconds = object.if_contains("timeoutSeconds"); seconds && !step.inputs.contains("timeoutSeconds"))
      step.inputs["timeoutSeconds"] = *seconds;
    add(std::move(step));
  }

  // AWS has these among the inputs; beside the inputs they are taken too.
  void read_control(const json::Object& object, const std::string& path, StepTemplate& step) {
    const auto on_failure = reader_.choice(object, path, "onFailure", "exit,successAndExit", "");
    if (on_failure == "exit") step.on_failure = OnFailure::exit;
    if (on_failure == "successAndExit") step.on_failure = OnFailure::success_and_exit;
    if (reader_.choice(object, path, "onSuccess", "exit", "") == "exit") step.exit_on_success = true;
    if (reader_.flag(object, path, "finallyStep", false)) step.finally = true;
  }

  void read_precondition(const json::Object& object, StepTemplate& step) {
    const auto* value = object.if_contains("precondition");
    if (!value || value->is_null()) return;
    const auto path = member_path(step.path, "precondition");
    if (document_.schema_version != "2.2") return reader_.refuse(path, "needs schemaVersion \"2.2\"");
    const auto* operators = reader_.object(*value, path);
    if (!operators) return;
    reader_.only(*operators, path, {"StringEquals"});
    const auto* sides = operators->if_contains("StringEquals");
    const bool fits = sides && sides->is_array() && sides->get_array().size() == 2 &&
                      sides->get_array()[0].is_string() && sides->get_array()[1].is_string();
    if (!fits) return reader_.refuse(path, "expected StringEquals: [platformType, Linux]");
    step.precondition =
        Precondition{std::string(sides->get_array()[0].get_string()), std::string(sides->get_array()[1].get_string())};
    for (const auto& name : references_in(*sides)) {
      used_.push_back(name);
      if (!find_parameter(document_.parameters, name))
        reader_.refuse(path, "{{ " + sanitize(name, 60) + " }} names no parameter of the document");
    }
    const auto sided = [](const std::string& side) { return side == "platformType" || !whole_reference(side).empty(); };
    if (!sided(step.precondition->left) && !sided(step.precondition->right))
      reader_.refuse(path, "compares two plain words; one side is platformType or a {{ parameter }}");
  }

  void read_runtime_config(const json::Object& root) {
    reader_.only(root, "", {"schemaVersion", "description", "parameters", "runtimeConfig"});
    const auto* config = root.if_contains("runtimeConfig");
    if (!config || !config->is_object() || config->get_object().empty())
      return reader_.refuse("runtimeConfig", "expected one plugin or more");
    for (const auto& plugin : config->get_object()) {
      const auto path = member_path("runtimeConfig", plugin.key());
      const auto* object = reader_.object(plugin.value(), path);
      if (!object) continue;
      reader_.only(*object, path, {"properties", "description"});
      const auto* properties = object->if_contains("properties");
      if (!properties) {
        reader_.refuse(member_path(path, "properties"), "is missing");
      } else if (properties->is_array()) {
        for (std::size_t i = 0; i < properties->get_array().size(); ++i)
          read_properties(plugin.key(), properties->get_array()[i], item_path(member_path(path, "properties"), i));
      } else {
        read_properties(plugin.key(), *properties, member_path(path, "properties"));
      }
    }
  }

  void read_properties(std::string_view action, const json::Value& properties, const std::string& path) {
    const auto* inputs = reader_.object(properties, path);
    if (!inputs) return;
    StepTemplate step;
    step.path = path;
    step.action = action;
    step.inputs = *inputs;
    step.name = json::text_or_empty(properties, "id");
    if (step.name.empty())
      step.name = std::string(action) + (names_.contains(std::string(action)) ? std::to_string(names_.size()) : "");
    step.inputs.erase("id");
    add(std::move(step));
  }

  void add(StepTemplate step) {
    if (!step.name.empty() && !is_step_name(step.name))
      reader_.refuse(member_path(step.path, "name"), "has a character other than letters, digits and _-.:");
    if (!names_.insert(step.name).second)
      reader_.refuse(member_path(step.path, "name"), "'" + sanitize(step.name, 60) + "' is the name of another step");
    for (const auto* control : {"onFailure", "onSuccess", "finallyStep"}) step.inputs.erase(control);
    const auto* plugin = find_plugin(step.action);
    if (plugin) {
      // The others run as long as they take; a limit that nobody keeps would be a lie.
      check_inputs(reader_, *plugin, step, document_.parameters, used_);
    } else {
      check_foreign(step);
    }
    document_.steps.push_back(std::move(step));
  }

  // A step of Windows in a document for both is passed over, as its precondition says.
  void check_foreign(StepTemplate& step) {
    const auto why = plugin_not_there_yet(step.action);
    const auto path = member_path(step.path, "action");
    if (step.action.empty()) return;
    if (why.empty()) return reader_.refuse(path, "there is no plugin '" + sanitize(step.action, 60) + "'");
    const auto& when = step.precondition;
    step.foreign = when && (when->left == "platformType" || when->right == "platformType") && when->left != "Linux" &&
                   when->right != "Linux";
    for (auto& name : references_in(step.inputs)) used_.push_back(std::move(name));
    if (!step.foreign)
      reader_.refuse(path, step.action + " " + std::string(why) + "; it may stand behind a precondition that " +
                               "platformType is Windows or MacOS");
  }

  void check_usage() {
    const std::set<std::string> used(used_.begin(), used_.end());
    for (const auto& parameter : document_.parameters)
      if (!used.contains(parameter.name))
        reader_.refuse(member_path("parameters", parameter.name),
                       parameter.environment
                           ? "is used nowhere; scripts name it {{ " + parameter.name + " }} or $SSM_" + parameter.name
                           : std::string("is used nowhere; take it out, or use it"));
  }

  void check_finally() {
    for (std::size_t i = 0; i + 1 < document_.steps.size(); ++i)
      if (document_.steps[i].finally)
        reader_.refuse(member_path(document_.steps[i].path, "finallyStep"),
                       "only the last step may be the finally step");
  }

  const MarkedValue& content_;
  Reader reader_;
  CommandDocument document_;
  std::set<std::string> names_;
  std::vector<std::string> used_;
};

}  // namespace

std::vector<std::string> platform_types(const CommandDocument& document) {
  std::set<std::string> types;
  for (const auto& step : document.steps) {
    const bool says =
        step.precondition && (step.precondition->left == "platformType" || step.precondition->right == "platformType");
    if (!says) {
      types.insert("Linux");
      continue;
    }
    const auto& said = step.precondition->left == "platformType" ? step.precondition->right : step.precondition->left;
    const auto name = whole_reference(said);
    if (name.empty()) types.insert(said);
    else if (const auto* parameter = find_parameter(document.parameters, name))
      for (const auto& value : parameter->allowed_values)
        if (value.is_string()) types.insert(std::string(value.get_string()));
  }
  std::erase_if(types, [](const std::string& type) { return type != "Linux" && type != "Windows" && type != "MacOS"; });
  if (types.empty()) types.insert("Linux");
  return {types.begin(), types.end()};
}

Result<CommandDocument> parse_command_document(std::string_view content, Format format) {
  BELAY_TRY_ASSIGN(const auto read, read_content(content, format));
  return DocumentParser(read).parse();
}

}  // namespace belay::document
