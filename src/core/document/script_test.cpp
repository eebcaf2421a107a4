#include "core/document/script.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <random>

#include "base/text.hpp"

namespace belay::document {
namespace {

Parameter string_parameter(std::string name, std::string pattern = "", bool environment = false) {
  Parameter parameter;
  parameter.name = std::move(name);
  parameter.allowed_pattern = std::move(pattern);
  parameter.environment = environment;
  return parameter;
}

struct Read {
  Script script;
  std::string problems;
};
Read read_script(const json::Value& lines, const std::vector<Parameter>& parameters) {
  const MarkedValue nothing;
  Reader reader(nothing);
  auto script = Script::read(reader, lines, "runCommand", parameters);
  return {std::move(script), reader.ok() ? "" : reader.error().message()};
}

// ---- the places
struct PlaceRow {
  const char *script, *places;  // p plain, d double, s single, u unknown
};
constexpr PlaceRow kPlaces[] = {
    {"{{ A }}", "p"},
    {"echo a{{ A }}b", "p"},
    {"echo \"{{ A }}\" '{{ A }}' {{ A }}", "dsp"},
    {"echo \"it's {{ A }}\"", "d"},
    {"echo 'a \" {{ A }}' {{ A }}", "sp"},
    {"echo \\\" {{ A }} \\' {{ A }}", "pp"},
    {"echo \"\\\" {{ A }}\" {{ A }}", "dp"},
    {"echo '\\' {{ A }}", "p"},
    {"echo \"$(echo {{ A }} \"{{ A }}\") {{ A }}\"", "pdd"},
    {"x=$(ls | grep '{{ A }}'); echo {{ A }}", "sp"},
    {"echo ${HOME} ${x:-y} {{ A }}", "p"},
    {"echo \"${HOME}/{{ A }}\"", "d"},
    {"echo $((1 + 2)) {{ A }}", "p"},
    {"# it's a comment {{ A }}\necho {{ A }}", "up"},
    {"echo a#'b {{ A }}'", "s"},
    {"(cd /; echo {{ A }}) && { echo {{ A }}; }", "pp"},
    {"case x in a) echo {{ A }} ;; esac", "p"},
    {"grep \"x$\" '{{ A }}'", "s"},
    {"#!/bin/sh\necho {{ A }}", "p"},
    {"#!/usr/bin/python3\nprint('{{ A }}')", "u"},
    {"echo `{{ A }} \\` '` {{ A }} \"`{{ A }}` {{ A }}\"", "upud"},
    {"echo ` {{ A }}", "u"},
    {"cat <<EOF\n{{ A }} ' \nEOF\necho {{ A }}", "up"},
    {"cat <<-'EOF' | sort\n{{ A }}\n EOF\n\tEOF\necho '{{ A }}'", "us"},
    {"cat <<A <<\"B\"\n{{ A }}\nB\nA\n{{ A }}\nB\n{{ A }}", "uup"},
    {"cat <<EOF\n{{ A }}", "u"},
    {"cat <<EOF\n`\nEOF\n{{ A }}", "u"},
    {"cat <<EOF\n$(\nEOF\n{{ A }}", "u"},
    {"cat <<EOF\n${x\nEOF\n{{ A }}", "u"},
    {"cat <<EOF\nx\\\nEOF\n{{ A }}", "u"},
    {"cat <<'EOF'\n`$(\\\nEOF\n{{ A }}", "p"},
    {"cat <<EOF # it's\n'\nEOF\n{{ A }}", "p"},
    {"x=$(cat <<EOF\n'\nEOF\n) {{ A }}", "u"},
    {"cat <<$x\n{{ A }}", "u"},
    {"cat <<<\"{{ A }}\" {{ A }}", "dp"},
    {"echo $(( {{ A }} + 1 )) {{ A }}", "uu"},
    {"echo $[ {{ A }} ]", "u"},
    {"(( {{ A }} ))", "u"},
    {"[[ {{ A }} -gt 1 && \"{{ A }}\" == '{{ A }}' ]] && echo {{ A }}", "uuup"},
    {"[[ $(echo x) ]] && echo {{ A }}", "u"},
    {"[[ a =~ ^(x|y)$ ]] && echo '{{ A }}'", "s"},
    {"echo $'{{ A }}' {{ A }}", "uu"},
    {"echo \\{{ A }} {{ A }}", "uu"},
    {"echo ${{ A }}", "u"},
    {"echo ${x:-\"{{ A }}\"}", "u"},
    {"x=$(case a in a) echo {{ A }};; esac)", "u"},
    {"echo \\ #'\n{{ A }}'", "u"},
    {"echo a\\\n#'\n{{ A }}", "u"},
    {"echo $(true)#'{{ A }}'", "u"},
    {"{{ List }}\necho {{ A }}", "uu"},
    {"docker ps --format '{{.Names}} {{ A }}'", "s"},
};

std::vector<ShellPlace> places_of(const std::string& script) {
  auto pieces = pieces_of(script);
  std::vector<bool> code;
  for (const auto& piece : pieces) code.push_back(piece.name == "List");
  return places_in(pieces, code);
}

TEST(Script, Places) {
  for (const auto& row : kPlaces) {
    std::string said;
    for (const auto place : places_of(row.script)) said += "pdsu"[static_cast<std::size_t>(place)];
    EXPECT_EQ(said, row.places) << row.script;
  }
}

// ---- what becomes of values
struct ValueRow {
  const char *name, *line, *value, *expect;  // expect nullptr: refused, the parameter named
};
constexpr ValueRow kValues[] = {
    {"word", "rm -- {{ Plain }}", "a.txt", "rm -- 'a.txt'"},
    {"word in quotes", "rm -- \"/x/{{ Plain }}\"", "a.txt", "rm -- \"/x/a.txt\""},
    {"two words", "rm -- {{ Plain }}", "a b", nullptr},
    {"a command", "echo {{ Plain }}", "$(reboot)", nullptr},
    {"a second command", "echo \"{{ Plain }}\"", "\"; reboot; \"", nullptr},
    {"an option", "rm {{ Plain }}", "-rf", nullptr},
    {"nothing", "rm -rf {{ Plain }}/x", "", nullptr},
    {"a glob", "rm {{ Plain }}", "*", nullptr},
    {"a line", "echo '{{ Plain }}'", "a\nreboot", nullptr},
    {"a home", "ls {{ Plain }}", "~root", nullptr},
    {"in a here-document", "cat <<E\n{{ Plain }}\nE", "1.2.3", "cat <<E\n1.2.3\nE"},
    {"more in a here-document", "cat <<E\n{{ Plain }}\nE", "a b", nullptr},
    {"more in a here-document, vouched for", "cat <<E\n{{ Vouched }}\nE", "E\nreboot", nullptr},
    {"the end of a here-document", "cat <<-'END'\n\t{{ Plain }}\nEND", "END", nullptr},
    {"half the end of a here-document", "cat <<END\nE{{ Plain }}\nEND", "ND", nullptr},
    {"not the end of a here-document", "cat <<END\nE{{ Plain }}x\nEND", "ND", "cat <<END\nENDx\nEND"},
    {"a word of the shell", "((1))\n{{ Plain }} x", "if", nullptr},
    {"an assignment", "((1))\n{{ Plain }} x", "PATH=/tmp", nullptr},
    {"arithmetic of bash", "[[ \"{{ Vouched }}\" -eq 1 ]]", "a[$(reboot)]", nullptr},
    {"vouched for", "echo {{ Vouched }} '{{ Vouched }}' \"{{ Vouched }}\"", "a'b\"$c`\\",
     "echo 'a'\\''b\"$c`\\' 'a'\\''b\"$c`\\' \"a'b\\\"\\$c\\`\\\\\""},
    {"the document's own", "cmd {{ Own }}", "-a -b", "cmd -a -b"},
    {"one of the allowed", "cmd {{ Own }}", "-c", "cmd -c"},
    {"another than the document's own", "cmd {{ Own }}", "-d", nullptr},
    {"environment", "echo {{ Env }} '{{ Env }}' \"{{ Env }}\"", "any'thing",
     "echo \"${SSM_Env}\" ''\"${SSM_Env}\"'' \"${SSM_Env}\""},
    {"never read again", "echo '{{ Vouched }}'", "{{ Plain }}", "echo '{{ Plain }}'"},
};

std::vector<Parameter> value_parameters() {
  std::vector<Parameter> parameters = {string_parameter("Plain"), string_parameter("Vouched", "(?s).*"),
                                       string_parameter("Own"), string_parameter("Env", "", true)};
  parameters[2].default_value = json::Value("-a -b");
  parameters[2].allowed_values = {json::Value("-a -b"), json::Value("-c")};
  return parameters;
}

TEST(Script, Values) {
  const auto parameters = value_parameters();
  for (const auto& row : kValues) {
    SCOPED_TRACE(row.name);
    const auto read = read_script(row.line, parameters);
    ASSERT_EQ(read.problems, "");
    Values values;
    for (const auto& parameter : parameters) values[parameter.name] = row.value;
    const auto lines = read.script.render(parameters, values);
    ASSERT_EQ(lines.ok(), row.expect != nullptr) << (lines.ok() ? join(*lines, "\n") : lines.error().message());
    if (row.expect) EXPECT_EQ(join(*lines, "\n"), row.expect);
    else {
      EXPECT_NE(lines.error().message().find("parameter "), std::string::npos);
      EXPECT_EQ(lines.error().reason(), "InvalidParameters");
    }
  }
}

TEST(Script, ListsAreLinesOrWords) {
  auto list = string_parameter("List");
  list.type = ParameterType::StringList;
  const std::vector<Parameter> parameters = {list};
  const Values values = {{"List", json::Array{"a", "b.c"}}};
  EXPECT_EQ(*read_script("{{ List }}", parameters).script.render(parameters, values),
            (std::vector<std::string>{"a", "b.c"}));
  EXPECT_EQ(*read_script(json::Array{"set -e", " {{List}} ", "true"}, parameters).script.render(parameters, values),
            (std::vector<std::string>{"set -e", "a", "b.c", "true"}));
  EXPECT_EQ(*read_script("apt-get install {{ List }}", parameters).script.render(parameters, values),
            (std::vector<std::string>{"apt-get install 'a' 'b.c'"}));
  const Values bad = {{"List", json::Array{"a", "b; c"}}};
  EXPECT_FALSE(read_script("apt-get install {{ List }}", parameters).script.render(parameters, bad).ok());
}

struct ProblemRow {
  const char *line, *says;
};
constexpr ProblemRow kProblems[] = {
    {"echo {{ Nothing }}", "names no parameter"},
    {"echo `{{ Env }}`", "write \"$SSM_Env\""},
    {"echo \"{{ List }}\"", "cannot stand inside quotes"},
    {"echo `{{ List }}`", "cannot be told"},
    {"echo {{ Map }}", "is a map"},
    {"((1)); echo x {{ Plain }}>f", "stands before a redirection"},
    {"echo \x01", "control character"},
    {"echo {{ ssm:x }}", "Parameter Store"},
};

TEST(Script, ProblemsAreFoundWhenTheDocumentIsMade) {
  auto parameters = value_parameters();
  parameters.push_back(string_parameter("List"));
  parameters.back().type = ParameterType::StringList;
  parameters.push_back(string_parameter("Map"));
  parameters.back().type = ParameterType::StringMap;
  for (const auto& row : kProblems)
    EXPECT_NE(read_script(row.line, parameters).problems.find(row.says), std::string::npos) << row.line;
}

// ---- the property: whatever a value holds, /bin/sh sees the words the script has. Scripts are made together with what
// they print.
class ScriptMaker {
 public:
  ScriptMaker(unsigned seed, std::string value, bool environment)
      : random_(seed), value_(std::move(value)), reference_(environment ? "{{ Env }}" : "{{Vouched}}") {}

  std::string script, expected;

  void make() {
    script = "IFS=\nset -f\n";
    for (auto n = 1 + pick(4); n > 0; --n) {
      if (pick(4) == 0) script += "# it's \"a comment $( `\n";
      if (pick(6) == 0) script += "cat > /dev/null <<E 2>&1\nit's \" $x ${x:-y}\nE\n";
      if (pick(6) == 0) script += "cat > /dev/null <<-'E'; true # it's\nit's ` \" $( x\n\tE\n";
      if (pick(6) == 0) script += ": `echo \"it\\`echo s\\`\"`\n";
      auto [text, says] = command(0);
      script += text + "\n";
      expected += says;
    }
  }

 private:
  using Made = std::pair<std::string, std::string>;
  std::size_t pick(std::size_t n) { return random_() % n; }

  Made command(int depth) {
    Made made{"printf '<%s>'", ""};
    for (auto n = 1 + pick(3); n > 0; --n) {
      auto [text, says] = word(depth);
      made.first += " " + text;
      made.second += "<" + says + ">";
    }
    return pick(5) == 0 ? Made{"(" + made.first + ")", made.second} : made;
  }

  Made word(int depth) {
    Made made{"w", "w"};  // never empty, never a comment
    for (auto n = 1 + pick(3); n > 0; --n) {
      auto [text, says] = part(depth);
      made.first += text;
      made.second += says;
    }
    return made;
  }

  Made part(int depth) {
    switch (pick(depth < 2 ? 7 : 4)) {
      case 0: return {reference_, value_};
      case 1: return {"'a \"$x " + reference_ + " b'", "a \"$x " + value_ + " b"};
      case 2: return {"\\'\\\"", "'\""};
      case 3: return {"\"it's \\\" " + reference_ + "\"", "it's \" " + value_};
      case 4: {
        auto [text, says] = command(depth + 1);
        return {"$( " + text + ")", says};
      }
      case 5: {
        auto [text, says] = command(depth + 1);
        return {"\"x$( " + text + ") " + reference_ + "$\"", "x" + says + " " + value_ + "$"};
      }
      default: return {"${none}'\\'", "\\"};
    }
  }

  std::mt19937 random_;
  std::string value_, reference_;
};

std::string nasty_value(unsigned seed) {
  static const std::string_view kParts[] = {"'",
                                            "\"",
                                            "$(echo PWNED)",
                                            "`echo PWNED`",
                                            ";",
                                            " ",
                                            "\n",
                                            "\\",
                                            "$x",
                                            "#",
                                            "-n",
                                            "*",
                                            "{{ Plain }}",
                                            "&",
                                            "|",
                                            "%s",
                                            "~",
                                            "}",
                                            "((",
                                            "))",
                                            "<<E",
                                            "a",
                                            "é",
                                            ")",
                                            "${x",
                                            "!",
                                            "\t"};
  std::mt19937 random(seed);
  std::string value;
  for (auto n = random() % 7; n > 0; --n) value += kParts[random() % std::size(kParts)];
  return value;
}

std::string run(const std::string& shell, const std::string& path) {
  std::FILE* pipe = ::popen((shell + " " + path + " 2>&1").c_str(), "r");
  std::string out;
  char buffer[4096];
  while (const auto got = std::fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, got);
  ::pclose(pipe);
  return out;
}

TEST(Script, NoValueChangesWhatTheShellSees) {
  const auto parameters = value_parameters();
  const std::string path = testing::TempDir() + "belay-script-" + std::to_string(::getpid());
  for (unsigned seed = 0; seed < 200; ++seed) {
    const bool environment = seed % 2 == 0;
    const auto value = nasty_value(seed);
    ScriptMaker maker(seed, value, environment);
    maker.make();
    const auto read = read_script(json::Value(maker.script), parameters);
    ASSERT_EQ(read.problems, "") << maker.script;
    const Values values = {{"Plain", ""}, {"Vouched", json::Value(value)}, {"Own", ""}, {"Env", json::Value(value)}};
    const auto lines = read.script.render(parameters, values);
    ASSERT_TRUE(lines.ok()) << lines.error().message() << "\n" << maker.script;
    std::ofstream(path) << join(*lines, "\n") << "\n";
    const auto variables = environment_of(parameters, values);
    for (const auto& [name, text] : *variables) ::setenv(name.c_str(), text.c_str(), 1);
    for (const auto* shell : {"/bin/sh", "/bin/bash"}) {
      if (!std::ifstream(shell)) continue;
      ASSERT_EQ(run(shell, path), maker.expected) << shell << ", seed " << seed << "\n"
                                                  << maker.script << "\n"
                                                  << join(*lines, "\n");
    }
  }
  std::remove(path.c_str());
  ::unsetenv("SSM_Env");
}

// A value that nobody vouches for is put in as it is, or refused: never as something else.
TEST(Script, UnvouchedValuesAreInertOrRefused) {
  const auto parameters = value_parameters();
  for (unsigned seed = 0; seed < 2'000; ++seed) {
    const auto value = nasty_value(seed);
    for (const auto* line : {"echo {{ Plain }}", "echo '{{ Plain }}'", "echo \"{{ Plain }}\"", "echo `{{ Plain }}`"}) {
      const auto lines = read_script(line, parameters).script.render(parameters, {{"Plain", json::Value(value)}});
      const bool inert = !value.empty() && value[0] != '-' && value.find_first_not_of("a%s-n") == std::string::npos;
      ASSERT_EQ(lines.ok(), inert) << value;
    }
  }
}

}  // namespace
}  // namespace belay::document
