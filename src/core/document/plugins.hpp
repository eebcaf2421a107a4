#pragma once
// The plugins a document may name: which inputs each takes, and the typed step it becomes. Of use inside this room.
#include <span>
#include <string>
#include <string_view>

#include "core/document/document.hpp"

namespace belay::document {

enum class InputKind {
  text,
  seconds,     // 1 to 172,800
  flag,        // true or false
  script,      // the lines of a shell script; see script.hpp
  texts,       // a list of texts
  map,         // texts by name, or the JSON text of it
  parameters,  // values by name, or the JSON text of it
};

struct InputField {
  std::string_view name;
  InputKind kind = InputKind::text;
  bool required = false;
  std::string_view choices = {};  // of a text, separated by commas
};

struct Plugin {
  std::string_view action;
  std::span<const InputField> inputs;
  // From inputs whose references are replaced. invalid_argument names the input.
  Result<Work> (*build)(const json::Object& inputs);
};

const Plugin* find_plugin(std::string_view action);
// Checks a step's inputs before any value is known; gathers the names they refer to. Maps written as JSON text become
// objects, so that a value can never change what the text says.
void check_inputs(Reader& reader, const Plugin& plugin, StepTemplate& step, std::span<const Parameter> parameters,
                  std::vector<std::string>& used);

}  // namespace belay::document
