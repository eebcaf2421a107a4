#include <charconv>
#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "io/system_clock.hpp"

namespace belay::cli {
namespace {

constexpr const char* kOnce = "this is shown once: keep it in a file that only its owner reads (umask 077)\n";

std::string words_of(const json::Value& object, std::string_view list, std::string_view member) {
  std::vector<std::string> words;
  if (const auto* found = json::find(object, list); found && found->is_array())
    for (const auto& item : found->get_array())
      words.push_back(item.is_string() ? std::string(item.get_string()) : cell(item, member));
  return words.empty() ? "-" : join(words, ", ");
}

// For people an environment file, as admin.env is one: it goes into a file and is read by a shell.
Result<int> add(Context& context, const Arguments& arguments) {
  json::Object request{{"UserName", arguments.one("NAME")}, {"Permissions", json::encode(arguments.all("permission"))}};
  if (arguments.has("description")) request["Description"] = arguments.one("description");
  if (arguments.has("access-key")) request["WithAccessKey"] = true;
  BELAY_TRY_ASSIGN(const auto answer, call(context, "CreateUser", request));
  Table table{{"USER", "TOKEN"}, {{arguments.one("NAME"), cell(answer, "Token")}}};
  if (arguments.has("access-key")) {
    table.columns.insert(table.columns.end(), {"ACCESS KEY", "SECRET"});
    table.rows.front().insert(table.rows.front().end(), {cell(answer, "AccessKeyId"), cell(answer, "SecretAccessKey")});
  }
  if (context.format != Format::table) {
    print(context, table, answer, std::cout);
    return kExitOk;
  }
  std::cout << "BELAY_TOKEN=" << cell(answer, "Token") << "\n";
  if (arguments.has("access-key"))
    std::cout << "AWS_ACCESS_KEY_ID=" << cell(answer, "AccessKeyId")
              << "\nAWS_SECRET_ACCESS_KEY=" << cell(answer, "SecretAccessKey") << "\n";
  std::cerr << "made " << arguments.one("NAME") << "; " << kOnce;
  return kExitOk;
}

Result<int> list(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto users, call_all(context, "ListUsers", {}, "Users"));
  Table table{{"USER", "ENABLED", "PERMISSIONS", "TOKENS", "ACCESS KEYS", "CREATED (UTC)"}, {}};
  for (const auto& u : users)
    table.rows.push_back({cell(u, "UserName"), cell(u, "Enabled"), words_of(u, "Permissions", ""),
                          words_of(u, "Tokens", "TokenName"), words_of(u, "AccessKeys", "AccessKeyId"),
                          time_cell(json::find(u, "CreatedDate"))});
  print(context, table, json::Object{{"Users", users}}, std::cout);
  return kExitOk;
}

Result<int> update(Context& context, const Arguments& arguments) {
  const std::string name = arguments.one("NAME");
  if (arguments.has("enable") && arguments.has("disable"))
    return Error(Code::invalid_argument, "say --enable or --disable, not both");
  json::Object request{{"UserName", name}};
  if (arguments.has("permission")) request["Permissions"] = json::encode(arguments.all("permission"));
  if (arguments.has("enable") || arguments.has("disable")) request["Enabled"] = arguments.has("enable");
  BELAY_TRY_ASSIGN(const auto answer, call(context, "UpdateUser", request));
  const auto* user = json::find(answer, "User");
  if (!user) return Error(Code::internal, "UpdateUser: the server's answer has no user");
  const bool enabled = json::find(*user, "Enabled") && user->at("Enabled") == true;
  say(context, name + " is " + (enabled ? "enabled" : "disabled") + ", with " + words_of(*user, "Permissions", ""),
      {{"UserName", name}}, std::cout);
  return kExitOk;
}

Result<int> remove(Context& context, const Arguments& arguments) {
  const std::string name = arguments.one("NAME");
  BELAY_TRY(call(context, "DeleteUser", {{"UserName", name}}));
  say(context, "removed " + name + ", with every token and access key", {{"UserName", name}}, std::cout);
  return kExitOk;
}

// On standard output alone, so that it can go into a file.
Result<int> token(Context& context, const Arguments& arguments) {
  const std::string name = arguments.one("NAME");
  json::Object request{{"UserName", name}, {"TokenName", arguments.one("name")}};
  if (!arguments.has("name")) request["TokenName"] = "made " + to_iso8601(io::system_clock().now());
  if (const auto text = arguments.one("expires-in-days"); !text.empty()) {
    int days = 0;
    const auto* end = text.data() + text.size();
    if (const auto read = std::from_chars(text.data(), end, days); read.ec != std::errc() || read.ptr != end)
      return Error(Code::invalid_argument, "--expires-in-days: '" + text + "' is no number");
    request["ExpiresInDays"] = days;
  }
  BELAY_TRY_ASSIGN(const auto answer, call(context, "CreateUserToken", request));
  if (context.format != Format::table) {
    print(context,
          {{"USER", "NAME", "TOKEN", "EXPIRES (UTC)"},
           {{name, cell(answer, "TokenName"), cell(answer, "Token"), time_cell(json::find(answer, "ExpiresDate"))}}},
          answer, std::cout);
    return kExitOk;
  }
  std::cout << cell(answer, "Token") << "\n";
  std::cerr << "made the token '" << cell(answer, "TokenName") << "' of " << name << "; " << kOnce;
  return kExitOk;
}

Result<int> revoke(Context& context, const Arguments& arguments) {
  const std::string name = arguments.one("NAME"), token = arguments.one("TOKEN-NAME");
  BELAY_TRY(call(context, "DeleteUserToken", {{"UserName", name}, {"TokenName", token}}));
  say(context, "revoked the token '" + token + "' of " + name, {{"UserName", name}, {"TokenName", token}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec user_command() {
  const PositionalSpec name{"NAME", "the user's name"};
  const OptionSpec permission{"--permission", "like an IAM action: 'ssm:Describe*', 'belay:*', '*'; may be repeated",
                              Takes::values};
  OptionSpec needed = permission;
  needed.required = true;
  return {"user",
          "people: add, list, update, remove, token, revoke",
          {},
          {},
          {},
          {{"add",
            "make a user; the token is shown once",
            {name},
            {needed,
             {"--access-key", "also an access key, for aws and other SDKs", Takes::nothing},
             {"--description", "a note; it stands in the audit log"}},
            add,
            {}},
           {"list", "who there is, and what each may do", {}, {}, list, {}},
           {"update",
            "replace a user's permissions, or shut him out for a time",
            {name},
            {permission,
             {"--disable", "no token or access key of the user's is taken any more", Takes::nothing},
             {"--enable", "they are taken again", Takes::nothing}},
            update,
            {}},
           {"remove", "delete a user, with tokens and access keys", {name}, {}, remove, {}},
           {"token",
            "make another token; it alone is printed",
            {name},
            {{"--name", "what it is called, for revoking it; the time where nothing is said"},
             {"--expires-in-days", "1 to 3660; it stays where nothing is said"}},
            token,
            {}},
           {"revoke", "delete a token", {name, {"TOKEN-NAME", "what the list calls it"}}, {}, revoke, {}}}};
}

}  // namespace belay::cli
