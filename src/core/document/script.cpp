#include "core/document/script.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace belay::document {
namespace {

constexpr std::size_t kEnvironmentValueMax = 100'000;  // Linux takes 128 KiB in one string
constexpr std::size_t kScriptBytesMax = 1 << 20;

constexpr std::string_view kShellWords[] = {"if",   "then",  "else",  "elif", "fi", "do",       "done",   "case",
                                            "esac", "while", "until", "for",  "in", "function", "select", "time"};

bool is_inert(std::string_view text, ShellPlace place) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_./:@%+,=-").find(c) != std::string_view::npos;
  };
  if (text.empty() || text.front() == '-' || !std::ranges::all_of(text, fits)) return false;
  // There the value stands bare: it must not become an assignment or a word of the shell's own.
  if (place != ShellPlace::unknown) return true;
  return text.find('=') == std::string_view::npos && std::ranges::find(kShellWords, text) == std::end(kShellWords);
}

std::string in_single_quotes(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') out += "'\\''";
    else out += c;
  }
  return out;
}

std::string in_double_quotes(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '$' || c == '`') out += '\\';
    out += c;
  }
  return out;
}

std::string quoted_for(ShellPlace place, std::string_view text) {
  switch (place) {
    case ShellPlace::plain: return "'" + in_single_quotes(text) + "'";
    case ShellPlace::double_quoted: return in_double_quotes(text);
    case ShellPlace::single_quoted: return in_single_quotes(text);
    case ShellPlace::unknown: break;
  }
  return std::string(text);
}

std::string variable_for(ShellPlace place, const std::string& name) {
  std::string variable = "${SSM_" + name + "}";
  switch (place) {
    case ShellPlace::plain: return "\"" + variable + "\"";
    case ShellPlace::single_quoted: return "'\"" + variable + "\"'";
    case ShellPlace::double_quoted:
    case ShellPlace::unknown: break;
  }
  return variable;
}

bool is_documents_own(const Parameter& parameter, const json::Value& value) {
  return parameter.default_value == value ||
         std::ranges::find(parameter.allowed_values, value) != parameter.allowed_values.end();
}

Result<std::string> put_in(const Parameter& parameter, const std::string& text, ShellPlace place) {
  if (is_inert(text, place)) return quoted_for(place, text);
  if (!parameter.allowed_pattern.empty() && place != ShellPlace::unknown) return quoted_for(place, text);
  return Error(Code::invalid_argument,
               "parameter " + parameter.name + " is '" + sanitize(text, 60) +
                   "', which may not be put into a shell script: there a value has letters, digits and _./:@%+,=- only "
                   "and does not begin with '-'. The document can take any value safely with interpolationType: "
                   "ENV_VAR, or more with an allowedPattern",
               "InvalidParameters");
}

Result<std::string> rendered(const Parameter& parameter, const json::Value& value, ShellPlace place) {
  if (parameter.environment) return variable_for(place, parameter.name);
  const bool own = is_documents_own(parameter, value);
  if (!value.is_array()) return own ? Result<std::string>(text_of(value)) : put_in(parameter, text_of(value), place);
  std::vector<std::string> words;
  for (const auto& item : value.get_array()) {
    auto word = own ? Result<std::string>(quoted_for(place, text_of(item))) : put_in(parameter, text_of(item), place);
    if (!word.ok()) return word.error();
    words.push_back(std::move(*word));
  }
  return join(words, " ");
}

std::string code_of(const json::Value& value) {
  std::vector<std::string> lines;
  if (const auto* array = value.if_array())
    for (const auto& item : *array) lines.push_back(text_of(item));
  return join(lines, "\n");
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r'; });
}

}  // namespace

bool is_harmless(std::string_view text) { return is_inert(text, ShellPlace::unknown); }

Script Script::read(Reader& reader, const json::Value& lines, const std::string& path,
                    std::span<const Parameter> parameters) {
  Script script;
  std::vector<std::string> paths;
  const auto add = [&](Piece piece, bool code, const std::string& where) {
    script.pieces_.push_back(std::move(piece));
    script.is_code_.push_back(code);
    paths.push_back(where);
  };
  const auto add_line = [&](const json::Value& line, const std::string& where) {
    if (!line.is_string()) return reader.refuse(where, "is no text; a script's lines are texts, in quotes if need be");
    const std::string text(line.get_string());
    if (has_control(text)) reader.refuse(where, "has a control character");
    const auto* whole = find_parameter(parameters, whole_reference(text));
    if (whole && whole->type == ParameterType::StringList) return add({"", whole->name}, true, where);
    for (auto& piece : pieces_of(text)) add(std::move(piece), false, where);
  };
  if (const auto* array = lines.if_array()) {
    if (array->empty()) reader.refuse(path, "is empty");
    for (std::size_t i = 0; i < array->size(); ++i) {
      if (i > 0) add({"\n", ""}, false, path);
      add_line((*array)[i], item_path(path, i));
    }
  } else {
    add_line(lines, path);
  }
  auto places = places_in(script.pieces_, script.is_code_);
  auto next = places.begin();
  for (const auto& piece : script.pieces_) script.places_.push_back(piece.name.empty() ? ShellPlace::unknown : *next++);
  std::string text;
  for (const auto& piece : script.pieces_) text += piece.text + (piece.name.empty() ? "" : " ");
  script.here_words_ = here_document_words(text);
  script.check(reader, parameters, paths);
  return script;
}

void Script::check(Reader& reader, std::span<const Parameter> parameters, const std::vector<std::string>& paths) const {
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const auto& name = pieces_[i].name;
    if (name.empty() || is_code_[i]) continue;
    const auto* parameter = find_parameter(parameters, name);
    const auto refuse = [&](const std::string& why) {
      reader.refuse(paths[i], "{{ " + sanitize(name, 60) + " }} " + why);
    };
    if (!parameter) {
      refuse(name.starts_with("ssm:") ? "is of Parameter Store, which is not there yet"
                                      : "names no parameter of the document");
      continue;
    }
    if (parameter->type == ParameterType::MapList || parameter->type == ParameterType::StringMap)
      refuse("is a map and cannot stand in a script");
    if (places_[i] != ShellPlace::unknown) {
      if (parameter->type == ParameterType::StringList && places_[i] != ShellPlace::plain)
        refuse("is a list and cannot stand inside quotes");
      continue;
    }
    if (parameter->type == ParameterType::StringList) refuse("is a list, and it cannot be told what it stands in");
    if (parameter->environment)
      refuse("stands where it cannot be told whether it is quoted; write \"$SSM_" + name + "\" as the script needs it");
    const auto* after = i + 1 < pieces_.size() ? &pieces_[i + 1].text : nullptr;
    if (after && !after->empty() && (after->front() == '<' || after->front() == '>'))
      refuse("stands before a redirection; put a space between them");
  }
}

Result<std::vector<std::string>> Script::render(std::span<const Parameter> parameters, const Values& values) const {
  std::string out;
  std::string bare_in_line;  // a parameter that stands bare in the present line
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    for (const char c : pieces_[i].text) {
      if (c == '\n') BELAY_TRY(check_line(out, std::exchange(bare_in_line, "")));
      out += c;
    }
    if (pieces_[i].name.empty()) continue;
    const auto* parameter = find_parameter(parameters, pieces_[i].name);
    const auto at = values.find(pieces_[i].name);
    BELAY_ASSERT(parameter != nullptr && at != values.end());
    if (is_code_[i]) {
      out += code_of(at->second);
      continue;
    }
    BELAY_TRY_ASSIGN(const auto text, rendered(*parameter, at->second, places_[i]));
    out += text;
    if (places_[i] == ShellPlace::unknown && !is_documents_own(*parameter, at->second)) bare_in_line = parameter->name;
  }
  BELAY_TRY(check_line(out, bare_in_line));
  if (out.size() > kScriptBytesMax)
    return Error(Code::invalid_argument, "the script with its parameters is over 1 MiB", "InvalidParameters");
  std::vector<std::string> lines;
  for (const auto line : split(out, '\n')) lines.emplace_back(line);
  return lines;
}

// A value must not become the line that ends a here-document.
Status Script::check_line(std::string_view out, const std::string& bare_parameter) const {
  if (bare_parameter.empty()) return {};
  const auto line = trim(out.substr(out.rfind('\n') + 1));
  if (std::ranges::find(here_words_, line) == here_words_.end()) return {};
  return Error(Code::invalid_argument,
               "parameter " + bare_parameter + " would end the script's here-document " + std::string(line),
               "InvalidParameters");
}

std::vector<std::string> Script::names(std::span<const Parameter> parameters) const {
  std::vector<std::string> names;
  std::string text;
  for (const auto& piece : pieces_) {
    text += piece.text;
    if (!piece.name.empty()) names.push_back(piece.name);
  }
  for (const auto& parameter : parameters)
    if (parameter.environment && text.find("SSM_" + parameter.name) != std::string::npos)
      names.push_back(parameter.name);
  return names;
}

Result<std::map<std::string, std::string>> environment_of(std::span<const Parameter> parameters, const Values& values) {
  std::map<std::string, std::string> environment;
  for (const auto& parameter : parameters) {
    const auto at = values.find(parameter.name);
    if (!parameter.environment || at == values.end()) continue;
    auto text = text_of(at->second);
    if (text.size() > kEnvironmentValueMax)
      return Error(Code::invalid_argument,
                   "parameter " + parameter.name + " has " + std::to_string(text.size()) +
                       " bytes; 100000 fit into an environment variable",
                   "InvalidParameters");
    environment.emplace("SSM_" + parameter.name, std::move(text));
  }
  return environment;
}

}  // namespace belay::document
