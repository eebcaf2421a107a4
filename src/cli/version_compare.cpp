#include <iostream>

#include "base/error_table.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "core/version/version.hpp"

namespace belay::cli {
namespace {

Result<int> run(Context& context, const Arguments& arguments) {
  const std::string format = arguments.one("FORMAT"), a = arguments.one("A"), b = arguments.one("B");
  if (format != "deb" && format != "rpm")
    return Error(Code::invalid_argument, "'" + format + "' is no package format; say deb or rpm");
  const bool deb = format == "deb";
  for (const auto& text : {a, b}) BELAY_TRY(deb ? version::validate_deb(text) : version::validate_rpm(text));
  const auto order = deb ? version::compare_deb(a, b) : version::compare_rpm(a, b);
  const std::string sign = order < 0 ? "<" : order > 0 ? ">" : "=";
  say(context, sign, {{"A", a}, {"Order", sign}, {"B", b}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec version_compare_command() {
  return {"version-compare",
          "which of two package versions is newer: prints <, = or >",
          {{"FORMAT", "deb or rpm"}, {"A", "a version"}, {"B", "another"}},
          {},
          run,
          {}};
}

}  // namespace belay::cli
