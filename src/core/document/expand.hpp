#pragma once
// From a document and its parameters' values to the steps a node runs.
#include <functional>
#include <string>
#include <vector>

#include "core/document/document.hpp"

namespace belay::document {

struct Platform {
  std::string type = "Linux";  // as preconditions name it: Linux, Windows, MacOS
};

// The document that aws:runDocument names; `version` as it stands there ("" is the default version). not_found
// "InvalidDocument" where there is none. Called with one name often; the same answer each time.
using Resolver = std::function<Result<CommandDocument>(const std::string& name, const std::string& version)>;

inline constexpr std::size_t kInnerDepthMax = 8;

// Every step, those of inner documents after the step that runs them; steps that the platform or a precondition rules
// out are there with the reason. Errors: "InvalidParameters" names the parameter or the input; invalid_argument
// "InvalidDocument" a circle of documents, by name, one that cannot be resolved, or too many steps.
Result<std::vector<Step>> expand(const CommandDocument& document, const GivenValues& given, const Platform& platform,
                                 const Resolver& resolver = {});
// The same with values that are typed already: a local document read on the node.
Result<std::vector<Step>> expand_typed(const CommandDocument& document, const json::Object& given,
                                       const Platform& platform, const Resolver& resolver = {});

// When a document is made: follows every inner document that is named outright (not by a parameter) and refuses
// circles. `name` is the document's own.
Status check_inner_documents(const std::string& name, const CommandDocument& document, const Resolver& resolver);
// And what its steps say outright: a step without references is built, so that its mistakes are found before it is
// sent.
Status check_literal_inputs(const CommandDocument& document);
// The documents that its steps run or download and that are named outright.
std::vector<std::string> documents_named(const CommandDocument& document);

}  // namespace belay::document
