#pragma once
// A shell script with {{ parameters }} in it. What a parameter brings cannot leave its place:
//
// - A parameter with interpolationType ENV_VAR never enters the text: {{ Name }} becomes a reference to the environment
//   variable SSM_Name, quoted for the place it stands at. Any value is taken.
// - Any other parameter's value enters the text, quoted for its place, where
//     - it has letters, digits and _ . / : @ % + , = - only, does not begin with '-' and is not empty (and where the
//       place is not known, has no '=' and is no word of the shell, nor the end of a here-document), or
//     - the document vouches for it with an allowedPattern, and the place is known (shell_places.hpp).
//   The document's own words (the default, one of allowedValues) are put in as they stand: whoever wrote the script
//   wrote them. Every other value is refused, and the parameter named.
// - A StringList that is a whole line of the script is code: its items are lines. Inside a line its items become words.
//
// Whatever a value holds, the script has the same words and commands; a value is never read for references again.
#include <map>
#include <string>
#include <vector>

#include "core/document/parameters.hpp"
#include "core/document/shell_places.hpp"

namespace belay::document {

// One word to any shell, wherever it stands: the first of the two rules above, at its strictest.
bool is_harmless(std::string_view text);

class Script {
 public:
  // `lines` may hold several lines each. Problems (a parameter that is not declared, an ENV_VAR or a list at a place
  // that cannot be told) go to the reader under `path` or `path[i]`.
  static Script read(Reader& reader, const json::Value& lines, const std::string& path,
                     std::span<const Parameter> parameters);

  // invalid_argument "InvalidParameters" that names the parameter whose value does not fit.
  Result<std::vector<std::string>> render(std::span<const Parameter> parameters, const Values& values) const;
  // Parameters it names, those it takes from the environment by itself ($SSM_Name) with them.
  std::vector<std::string> names(std::span<const Parameter> parameters) const;

 private:
  void check(Reader& reader, std::span<const Parameter> parameters, const std::vector<std::string>& paths) const;
  Status check_line(std::string_view out, const std::string& bare_parameter) const;
  std::vector<Piece> pieces_;
  std::vector<bool> is_code_;
  std::vector<ShellPlace> places_;  // of pieces; unknown for text
  std::vector<std::string> here_words_;
};

// SSM_name=value for every parameter of interpolationType ENV_VAR. "InvalidParameters" where one is over 100,000 bytes.
Result<std::map<std::string, std::string>> environment_of(std::span<const Parameter> parameters, const Values& values);

}  // namespace belay::document
