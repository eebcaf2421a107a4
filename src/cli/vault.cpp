#include <iostream>
#include <iterator>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/backup_jobs.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"
#include "io/files.hpp"

namespace belay::cli {
namespace {

constexpr std::size_t kFileBytesMax = 64u << 10;

Result<std::string> content_of(const std::string& path) {
  if (path != "-") return io::real_files().read(path, kFileBytesMax);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

// Lines NAME=VALUE, from where they show in no process list. "\n" in a value stands for a line's end (SSH keys).
Result<json::Object> secrets_of(const std::string& path) {
  BELAY_TRY_ASSIGN(const auto text, content_of(path));
  json::Object secrets;
  for (const auto& line : split(text, '\n')) {
    if (trim(line).empty() || trim(line).starts_with('#')) continue;
    const auto equals = line.find('=');
    if (equals == std::string::npos)
      return Error(Code::invalid_argument,
                   path + ": a line is not NAME=VALUE (its text is not shown, it may be secret)");
    std::string value(trim(std::string_view(line).substr(equals + 1)));
    for (auto at = value.find("\\n"); at != std::string::npos; at = value.find("\\n", at + 1))
      value.replace(at, 2, "\n");
    secrets[trim(std::string_view(line).substr(0, equals))] = value;
  }
  return secrets;
}

Result<int> put_vault(Context& context, const Arguments& arguments, std::string_view operation, std::string_view done) {
  BELAY_TRY_ASSIGN(const auto content, content_of(arguments.one("file")));
  json::Object request{{"Content", content}};
  if (arguments.has("secrets")) {
    BELAY_TRY_ASSIGN(request["Secrets"], secrets_of(arguments.one("secrets")));
  }
  BELAY_TRY_ASSIGN(const auto answer, call(context, operation, request).within(arguments.one("file")));
  const std::string name = json::text_or_empty(answer.at("Vault"), "Name");
  say(context, std::string(done) + " the vault " + name, {{"Name", name}}, std::cout);
  if (context.format == Format::table && operation == "CreateVault")
    std::cerr << "print its escrow file now, and keep it where the server is not: belay vault escrow " << name << "\n";
  return kExitOk;
}

Result<int> create(Context& context, const Arguments& arguments) {
  return put_vault(context, arguments, "CreateVault", "made");
}

Result<int> update(Context& context, const Arguments& arguments) {
  return put_vault(context, arguments, "UpdateVault", "changed");
}

Result<int> list(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto vaults, call_all(context, "DescribeVaults", {}, "Vaults"));
  Table table{{"VAULT", "KIND", "SITE", "OFFSITE", "POINTS", "LOCK", "ESCROWED (UTC)", "ESCROW CHECKED (UTC)"}, {}};
  for (const auto& v : vaults) {
    const std::string lock = json::find(v, "LockDays") ? cell(v, "LockDays") + " days, " + cell(v, "LockMode") : "-";
    table.rows.push_back({cell(v, "Name"), cell(v, "Kind"), cell(v, "Site"), cell(v, "Offsite"), cell(v, "PointCount"),
                          lock, time_cell(json::find(v, "EscrowedDate")),
                          time_cell(json::find(v, "EscrowCheckedDate"))});
  }
  print(context, table, json::Object{{"Vaults", vaults}}, std::cout);
  return kExitOk;
}

Result<int> show(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto answer, call(context, "DescribeVaults", {{"Name", arguments.one("VAULT")}}));
  const auto* vaults = json::find(answer, "Vaults");
  if (!vaults || !vaults->is_array() || vaults->get_array().empty())
    return Error(Code::not_found, "there is no vault " + arguments.one("VAULT") + "; see `belay vault list`");
  print_record(context, vaults->get_array().front(), std::cout);
  return kExitOk;
}

Result<int> check(Context& context, const Arguments& arguments) {
  json::Object request{{"Name", arguments.one("VAULT")}};
  if (arguments.has("node")) {
    BELAY_TRY_ASSIGN(request["InstanceId"], resolve_node(context, arguments.one("node")));
  }
  BELAY_TRY_ASSIGN(const auto answer, call(context, "CheckVault", request));
  return begun(context, job_ids(answer), "nodes try the vault", !arguments.has("no-wait"));
}

Result<int> escrow(Context& context, const Arguments& arguments) {
  json::Object request{{"Name", arguments.one("VAULT")}};
  if (arguments.has("check")) {
    BELAY_TRY_ASSIGN(request["Escrow"], content_of(arguments.one("check")));
    BELAY_TRY(call(context, "CheckEscrow", request));
    say(context, "it opens the vault " + arguments.one("VAULT"), {{"Name", arguments.one("VAULT")}}, std::cout);
    return kExitOk;
  }
  if (arguments.has("reason")) request["Reason"] = arguments.one("reason");
  BELAY_TRY_ASSIGN(const auto answer, call(context, "EscrowVault", request));
  if (context.format == Format::table) std::cout << json::text_or_empty(answer, "Escrow");
  else print_record(context, answer, std::cout);
  return kExitOk;
}

Result<int> remove(Context& context, const Arguments& arguments) {
  BELAY_TRY(call(context, "DeleteVault", {{"Name", arguments.one("VAULT")}}));
  say(context, "deleted the vault " + arguments.one("VAULT") + "; what lies there is as it was, its key is gone",
      {{"Name", arguments.one("VAULT")}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec vault_command() {
  const PositionalSpec vault{"VAULT", "the vault's name"};
  const OptionSpec file{"-f,--file", "the vault's file (YAML or JSON; - for standard input)", Takes::one_value, true};
  const OptionSpec secrets{"--secrets",
                           "file with its secrets, lines NAME=VALUE: accessKey, secretKey, sshKey, user, password"};
  return {"vault",
          "where recovery points live: create, update, list, show, check, escrow, delete",
          {},
          {},
          {},
          {{"create", "a new one; its key is made by the server", {}, {file, secrets}, create, {}},
           {"update", "change one", {}, {file, secrets}, update, {}},
           {"list", "the vaults there are", {}, {}, list, {}},
           {"show", "one of them", {vault}, {}, show, {}},
           {"check",
            "nodes of the plans that use it try to reach, open and write it",
            {vault},
            {{"--node", "only this one"}, {"--no-wait", "do not wait for them", Takes::nothing}},
            check,
            {}},
           {"escrow",
            "print the file that opens the vault when this server is gone, or check one",
            {vault},
            {{"--check", "a file: does it open the vault? (- for standard input)"},
             {"--reason", "print it once more, and why"}},
            escrow,
            {}},
           {"delete", "forget one that nothing needs any more", {vault}, {}, remove, {}}}};
}

}  // namespace belay::cli
