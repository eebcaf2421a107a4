#include "server/api/package_state_document.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/document/reader.hpp"

namespace belay::server {
namespace {

constexpr std::string_view kEnd = "END-OF-PACKAGES";

// Nodes tell the names, and here they come into a script: nothing but what package names and versions are made of.
bool is_plain(std::string_view text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".+-_:~^").find(c) != std::string_view::npos;
  };
  return !text.empty() && text.front() != '-' && std::ranges::all_of(text, plain);
}

struct Dialect {
  std::string_view list;     // prints "NAME ARCH VERSION", a line each
  std::string_view as_word;  // awk: such a line as the installer wants it
  std::string_view install;  // its arguments follow
};
constexpr Dialect kApt{
    "dpkg-query -W -f '${db:Status-Status} ${Package} ${Architecture} ${Version}\\n' | sed -n 's/^installed //p'",
    R"(($2 == "all" ? $1 : $1 ":" $2) "=" $3)",
    "env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef "
    "-o Dpkg::Options::=--force-confold --allow-downgrades --no-remove install"};
constexpr Dialect kDnf{R"(rpm -qa --qf '%{NAME} %{ARCH} %{EPOCHNUM}:%{VERSION}-%{RELEASE}\n')", R"($1 "-" $3 "." $2)",
                       "dnf -q -y --setopt=install_weak_deps=False install"};

std::vector<std::string> script_of(const Dialect& dialect, const std::vector<std::string>& packages) {
  std::vector<std::string> lines{"set -eu", "wanted=$(mktemp)",
                                 R"(trap 'rm -f "$wanted" "$wanted.now" "$wanted.differ"' EXIT)",
                                 "cat > \"$wanted\" <<'" + std::string(kEnd) + "'"};
  lines.insert(lines.end(), packages.begin(), packages.end());
  lines.emplace_back(kEnd);
  lines.push_back(std::string(dialect.list) + " > \"$wanted.now\"");
  lines.emplace_back(R"([ -s "$wanted.now" ] || { echo 'what is installed cannot be read' >&2; exit 1; })");
  lines.push_back("awk 'NR == FNR { now[$0] = 1; next } !($0 in now) { print " + std::string(dialect.as_word) +
                  R"( }' "$wanted.now" "$wanted" > "$wanted.differ")");
  lines.emplace_back(R"([ -s "$wanted.differ" ] || { echo 'every package is as it was saved'; exit 0; })");
  lines.emplace_back(R"(echo 'put back:'; cat "$wanted.differ")");
  lines.push_back(R"(xargs -a "$wanted.differ" -n 5000 )" + std::string(dialect.install));
  return lines;
}

std::string in_quotes(std::string_view line) {
  std::string text = "'";
  for (const char c : line) text += c == '\'' ? "''" : std::string(1, c);
  return text + "'";
}

}  // namespace

Result<std::string> restore_document(const store::rollouts::SavedState& state, const fleet::PackageSet& packages) {
  const bool deb = packages.format == fleet::PackageFormat::deb;
  if (!deb && state.operating_system == "SUSE")
    return Error(Code::unsupported, "a document that puts packages back is made for apt and dnf, not for zypper yet");
  std::vector<std::string> rows;
  for (const auto& package : packages.packages) {
    if (!deb && package.name == "gpg-pubkey") continue;  // a key that rpm lists among the packages
    if (!is_plain(package.name) || !is_plain(package.arch) || !is_plain(package.version))
      return Error(Code::conflict,
                   "a package is called '" + sanitize(package.name + " " + package.arch, 100) + " " +
                       sanitize(package.version, 100) + "', which no package can be",
                   "InvalidStateException");
    rows.push_back(package.name + " " + package.arch + " " + package.version);
  }
  std::string text = "schemaVersion: '2.2'\ndescription: " + in_quotes("Puts back the package state " + state.name) +
                     "\nmainSteps:\n  - action: aws:runShellScript\n    name: putBack\n    precondition:\n"
                     "      StringEquals: [platformType, Linux]\n    inputs:\n      timeoutSeconds: '7200'\n"
                     "      runCommand:\n";
  for (const auto& line : script_of(deb ? kApt : kDnf, rows)) text += "        - " + in_quotes(line) + "\n";
  if (text.size() > document::kDocumentBytesMax)
    return Error(Code::resource_exhausted, "the state has " + std::to_string(rows.size()) +
                                               " packages: more than a document of " +
                                               std::to_string(document::kDocumentBytesMax >> 10) + " KiB holds");
  return text;
}

}  // namespace belay::server
