#include <charconv>
#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"
#include "cli/tags.hpp"
#include "io/files.hpp"
#include "io/pki.hpp"
#include "io/system_clock.hpp"

namespace belay::cli {
namespace {

// What the host is told, so that it can be pasted: the authority by its fingerprint, the code left to standard input.
std::string enrol_hint(const Context& context, const std::string& activation_id) {
  std::string authority;
  const auto pem = io::real_files().read(context.settings.ca_path, 1 << 20);
  if (pem.ok()) {
    const auto certificate = io::read_certificate(*pem);
    if (certificate.ok()) authority = " --ca-sha256 " + certificate->sha256_hex;
  }
  return "on the host, with the code on standard input:\n  belay-agent enroll --server " + context.settings.url +
         authority + " --activation-id " + activation_id + " --activation-code -\n" +
         (is_loopback_url(context.settings.url)
              ? "this address reaches the server from this machine alone; for others start belayd with --listen "
                "0.0.0.0:PORT --name NAME\n"
              : "");
}

Result<int> create(Context& context, const Arguments& arguments) {
  json::Object request{{"IamRole", arguments.one("role")}};
  if (arguments.has("name")) request["DefaultInstanceName"] = arguments.one("name");
  if (arguments.has("description")) request["Description"] = arguments.one("description");
  int limit = 0;
  const std::string text = arguments.one("limit");
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (wrong != std::errc() || end != text.data() + text.size() || limit < 1 || limit > 1000)
    return Error(Code::invalid_argument, "--limit: '" + sanitize(text, 40) + "' is no number from 1 to 1000");
  request["RegistrationLimit"] = limit;
  BELAY_TRY_ASSIGN(const auto lifetime, parse_duration(arguments.one("expires")).within("--expires"));
  request["ExpirationDate"] = static_cast<double>(to_unix_ms(io::system_clock().now() + lifetime)) / 1000;
  BELAY_TRY_ASSIGN(auto tags, parse_tags(arguments.all("tag")));
  if (!tags.empty()) request["Tags"] = std::move(tags);
  BELAY_TRY_ASSIGN(const auto answer, call(context, "CreateActivation", request));
  print(context,
        {{"ACTIVATION", "CODE (shown once)"}, {{cell(answer, "ActivationId"), cell(answer, "ActivationCode")}}}, answer,
        std::cout);
  if (context.format == Format::table) std::cerr << enrol_hint(context, cell(answer, "ActivationId"));
  return kExitOk;
}

Result<int> list(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto activations, call_all(context, "DescribeActivations", {}, "ActivationList"));
  Table table{{"ACTIVATION", "NODE NAME", "USED", "LIMIT", "EXPIRES (UTC)", "EXPIRED"}, {}};
  for (const auto& a : activations)
    table.rows.push_back({cell(a, "ActivationId"), cell(a, "DefaultInstanceName"), cell(a, "RegistrationsCount"),
                          cell(a, "RegistrationLimit"), time_cell(json::find(a, "ExpirationDate")),
                          cell(a, "Expired")});
  print(context, table, json::Object{{"ActivationList", activations}}, std::cout);
  return kExitOk;
}

Result<int> remove(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::activation, arguments.one("ACTIVATION")));
  BELAY_TRY(call(context, "DeleteActivation", {{"ActivationId", id}}));
  say(context, "deleted " + id, {{"ActivationId", id}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec activation_command() {
  return {"activation",
          "how hosts join: create, list, delete",
          {},
          {},
          {},
          {{"create",
            "make an activation; its code is shown once",
            {},
            {{"--name", "the name that nodes get"},
             {"--limit", "how many nodes may join with it (1 to 1000)", Takes::one_value, false, "1"},
             {"--expires", "for how long it counts, at most 30d", Takes::one_value, false, "24h"},
             {"--tag", "Key=Value that nodes get; may be repeated", Takes::values},
             {"--description", "a note for people"},
             {"--role", "SSM's IamRole; only kept and shown", Takes::one_value, false, "belay-node"}},
            create,
            {}},
           {"list", "activations and how often they were used", {}, {}, list, {}},
           {"delete", "end an activation; nodes that joined stay", {{"ACTIVATION", "its id"}}, {}, remove, {}}}};
}

}  // namespace belay::cli
