#include "core/document/expand.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "core/document/plugins.hpp"
#include "core/document/references.hpp"

namespace belay::document {
namespace {

constexpr std::size_t kExpansionBytesMax = 4 << 20;

Error bad_document(std::string what) { return Error(Code::invalid_argument, std::move(what), "InvalidDocument"); }

// An ARN names the document after its last slash; a shared one is the same document here.
std::string plain_name(const std::string& name) {
  const auto slash = name.rfind('/');
  return name.starts_with("arn:") && slash != std::string::npos ? name.substr(slash + 1) : name;
}

Status check_circle(const std::vector<std::string>& stack, const std::string& name) {
  if (std::ranges::find(stack, name) != stack.end())
    return bad_document("documents run each other in a circle: " + join(stack, " -> ") + " -> " + name);
  if (stack.size() >= kInnerDepthMax)
    return bad_document("documents run each other more than " + std::to_string(kInnerDepthMax) +
                        " deep: " + join(stack, " -> "));
  return {};
}

class Expander {
 public:
  Expander(const Platform& platform, const Resolver& resolver) : platform_(platform), resolver_(resolver) {}

  Status add(const CommandDocument& document, const Values& values, const std::string& prefix) {
    for (const auto& step : document.steps) {
      const std::string name = prefix + step.name;
      BELAY_TRY(add_step(document, values, step, name).within("step " + name));
      if (steps_.size() > kStepsMax) return bad_document("more than 200 steps, inner documents counted");
    }
    return {};
  }

  std::vector<Step> take() { return std::move(steps_); }

 private:
  Result<std::string> side(const std::string& text, const Values& values) const {
    if (text == "platformType") return platform_.type;
    BELAY_TRY_ASSIGN(const auto value, substitute(json::Value(text), lookup(values)));
    return text_of(value);
  }

  static ValueOf lookup(const Values& values) {
    return [&values](const std::string& name) -> Result<json::Value> {
      const auto at = values.find(name);
      if (at == values.end()) return bad_document("{{ " + name + " }} names no parameter");
      return at->second;
    };
  }

  Result<std::string> why_skipped(const StepTemplate& step, const Values& values) const {
    if (!step.precondition) return std::string();
    BELAY_TRY_ASSIGN(const auto left, side(step.precondition->left, values));
    BELAY_TRY_ASSIGN(const auto right, side(step.precondition->right, values));
    const bool of_platform = step.precondition->left == "platformType" || step.precondition->right == "platformType";
    if (step.foreign || !(of_platform ? equal_ignoring_case(left, right) : left == right))
      return "Step execution skipped due to unsatisfied preconditions: '\"StringEquals\": [" + left + ", " + right +
             "]'. Step name: " + step.name;
    return std::string();
  }

  Status add_step(const CommandDocument& document, const Values& values, const StepTemplate& from,
                  const std::string& name) {
    Step step;
    step.name = name;
    step.action = from.action;
    step.on_failure = from.on_failure;
    step.exit_on_success = from.exit_on_success;
    step.finally = from.finally;
    BELAY_TRY_ASSIGN(step.skip, why_skipped(from, values));
    if (!step.skip.empty()) {
      steps_.push_back(std::move(step));
      return {};
    }
    json::Object plain = from.inputs;
    plain.erase("runCommand");
    BELAY_TRY_ASSIGN(const auto inputs, substitute(json::Value(std::move(plain)), lookup(values)));
    const auto* plugin = find_plugin(from.action);
    BELAY_ASSERT(plugin != nullptr);
    BELAY_TRY_ASSIGN(step.work, plugin->build(inputs.get_object()));
    if (auto* shell = std::get_if<RunShellScript>(&step.work)) {
      BELAY_TRY_ASSIGN(shell->commands, from.script->render(document.parameters, values));
      BELAY_TRY_ASSIGN(shell->environment, environment_of(document.parameters, values));
      BELAY_TRY(count(*shell));
    }
    const auto at = steps_.size();
    steps_.push_back(std::move(step));
    const auto* inner = std::get_if<RunDocument>(&steps_[at].work);
    if (inner && inner->local_path.empty()) return add_inner(at, RunDocument(*inner), name);
    return {};
  }

  Status count(const RunShellScript& shell) {
    for (const auto& line : shell.commands) bytes_ += line.size();
    for (const auto& [name, value] : shell.environment) bytes_ += value.size();
    if (bytes_ <= kExpansionBytesMax) return {};
    return Error(Code::invalid_argument, "the scripts and their parameters are over 4 MiB, inner documents counted",
                 "InvalidParameters");
  }

  Status add_inner(std::size_t at, const RunDocument& run, const std::string& name) {
    const auto document_name = plain_name(run.document);
    BELAY_TRY(check_circle(stack_, document_name));
    if (!resolver_) return bad_document("the document " + document_name + " cannot be looked up here");
    BELAY_TRY_ASSIGN(const auto document, resolver_(document_name, run.version));
    BELAY_TRY_ASSIGN(const auto values, resolve_typed_values(document.parameters, run.parameters));
    stack_.push_back(document_name);
    BELAY_TRY(add(document, values, name + "/"));
    stack_.pop_back();
    std::get<RunDocument>(steps_[at].work).inner_steps = static_cast<std::uint32_t>(steps_.size() - at - 1);
    return {};
  }

  const Platform& platform_;
  const Resolver& resolver_;
  std::vector<std::string> stack_;
  std::vector<Step> steps_;
  std::size_t bytes_ = 0;
};

Result<std::vector<Step>> expand_values(const CommandDocument& document, const Values& values, const Platform& platform,
                                        const Resolver& resolver) {
  Expander expander(platform, resolver);
  BELAY_TRY(expander.add(document, values, ""));
  return expander.take();
}

Status follow(std::vector<std::string>& stack, std::set<std::string>& done, const CommandDocument& document,
              const Resolver& resolver) {
  for (const auto& step : document.steps) {
    if (step.action != RunDocument::kKind) continue;
    const auto* type = step.inputs.if_contains("documentType");
    const auto* path = step.inputs.if_contains("documentPath");
    if (!type || !type->is_string() || type->get_string() != "SSMDocument" || !path || !path->is_string()) continue;
    if (!references_in(*path).empty()) continue;
    const auto name = plain_name(std::string(path->get_string()));
    BELAY_TRY(check_circle(stack, name).within(step.path + ".inputs.documentPath"));
    if (done.contains(name)) continue;
    const auto inner = resolver(name, json::text_or_empty(json::Value(step.inputs), "documentVersion"));
    if (!inner.ok()) return inner.error().within(step.path + ".inputs.documentPath");
    stack.push_back(name);
    BELAY_TRY(follow(stack, done, *inner, resolver));
    stack.pop_back();
    done.insert(name);
  }
  return {};
}

}  // namespace

std::size_t inner_steps_of(const Step& step) {
  const auto* document = std::get_if<RunDocument>(&step.work);
  return document ? document->inner_steps : 0;
}

Result<std::vector<Step>> expand(const CommandDocument& document, const GivenValues& given, const Platform& platform,
                                 const Resolver& resolver) {
  BELAY_TRY_ASSIGN(const auto values, resolve_values(document.parameters, given));
  return expand_values(document, values, platform, resolver);
}

Result<std::vector<Step>> expand_typed(const CommandDocument& document, const json::Object& given,
                                       const Platform& platform, const Resolver& resolver) {
  BELAY_TRY_ASSIGN(const auto values, resolve_typed_values(document.parameters, given));
  return expand_values(document, values, platform, resolver);
}

Status check_inner_documents(const std::string& name, const CommandDocument& document, const Resolver& resolver) {
  std::vector<std::string> stack{name};
  std::set<std::string> done;
  return follow(stack, done, document, resolver);
}

Status check_literal_inputs(const CommandDocument& document) {
  for (const auto& step : document.steps) {
    if (step.foreign) continue;
    json::Object plain = step.inputs;
    plain.erase("runCommand");  // a script says what it likes
    if (!references_in(json::Value(plain)).empty()) continue;
    const auto* plugin = find_plugin(step.action);
    BELAY_ASSERT(plugin != nullptr);
    const auto built = plugin->build(plain);
    if (!built.ok())
      return Error(Code::invalid_argument, built.error().message(), "InvalidDocumentContent")
          .within(step.path + ".inputs");
  }
  return {};
}

std::vector<std::string> documents_named(const CommandDocument& document) {
  std::vector<std::string> names;
  const auto add = [&](const json::Value* name) {
    if (name && name->is_string() && references_in(*name).empty()) names.emplace_back(name->get_string());
  };
  for (const auto& step : document.steps) {
    if (step.action == RunDocument::kKind) add(step.inputs.if_contains("documentPath"));
    const auto* info = step.action == DownloadContent::kKind ? step.inputs.if_contains("sourceInfo") : nullptr;
    if (info && info->is_object()) add(info->get_object().if_contains("name"));
  }
  return names;
}

}  // namespace belay::document
