// belayd: reads its settings, runs the server.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "base/error_table.hpp"
#include "base/log.hpp"
#include "base/next_step.hpp"
#include "base/text.hpp"
#include "main/server.hpp"
#include "server/engine/package_pool.hpp"

namespace belay {
namespace {

int fail(const Error& error) {
  std::cerr << "belayd: " << error.chain() << "\n  what to do: " << next_step(error) << "\n";
  return meaning(error.code()).exit_status;
}

Result<ServerSettings> settle(const std::string& data, const std::string& listen, const std::string& http,
                              std::string database, const std::vector<std::string>& names,
                              const std::vector<std::string>& fetch_from) {
  ServerSettings settings;
  settings.data = std::filesystem::absolute(data).lexically_normal().string();
  if (settings.data.size() > 1 && settings.data.ends_with('/')) settings.data.pop_back();
  BELAY_TRY_ASSIGN(settings.listen, parse_listen_address(listen));
  if (!http.empty()) {
    settings.plain = true;
    BELAY_TRY_ASSIGN(settings.http, parse_listen_address(http));
    if (!is_loopback(settings.http.address))
      return Error(Code::invalid_argument,
                   "plain HTTP is served on a loopback address only, not on " + settings.http.address);
  }
  if (database.empty())
    if (const char* named = std::getenv("BELAY_DATABASE")) database = named;
  // libpq's other spelling, "host=… dbname=…", is taken as well; it may hold a password, so it is never shown.
  const bool keywords = database.find('=') != std::string::npos && database.find("://") == std::string::npos;
  if (!database.empty() && !keywords && !database.starts_with("postgresql://") && !database.starts_with("postgres://"))
    return Error(Code::invalid_argument, "--database is '" + sanitize(database.substr(0, database.find(':')), 40) +
                                             ":…': only PostgreSQL is spoken; write postgresql://USER@HOST/NAME, or "
                                             "leave it out for the embedded store");
  settings.database = std::move(database);
  for (const auto& name : names) {
    BELAY_TRY_ASSIGN(auto parsed, parse_server_name(name));
    settings.names.push_back(std::move(parsed));
  }
  for (const auto& host : fetch_from) {
    BELAY_TRY_ASSIGN(const auto parsed, parse_server_name(host).within("--fetch-from"));
    settings.fetch_from.push_back(to_lower(parsed.text));
  }
  return settings;
}

int run(int argc, char** argv) {
  CLI::App app{"belayd: the server of Belay. It patches Linux fleets with a rope attached."};
  app.set_version_flag("--version", BELAY_VERSION);
  std::string data, listen = "127.0.0.1:8443", http, database, agent, sendmail;
  std::vector<std::string> names, fetch_from;
  std::uint64_t pool_bytes = server::kPoolBytesDefault;
  bool verbose = false;
  app.add_option("--data", data, "folder of the server: its store, keys and admin.env")->required();
  app.add_option("--listen", listen, "ADDR:PORT for agents, API and console, over TLS")->capture_default_str();
  app.add_option("--http", http, "ADDR:PORT for plain HTTP, on a loopback address");
  app.add_option("--database", database,
                 "postgresql://… instead of the embedded store (or BELAY_DATABASE, or ~/.pgpass for the password)");
  app.add_option("--name", names,
                 "DNS name or address by which agents and clients reach the server; may be repeated. Its certificate "
                 "holds them all, and the first stands in BELAY_URL");
  app.add_option("--fetch-from", fetch_from,
                 "host on a private address from which override lists may be fetched all the same; may be repeated");
  app.add_option("--agent", agent, "belay-agent to give to nodes that update themselves (Belay-UpdateAgent)");
  app.add_option("--sendmail", sendmail,
                 "program that takes mail as sendmail does, for instance /usr/sbin/sendmail; without it none is sent");
  app.add_option("--pool-size", pool_bytes,
                 "room for the package files of change sets, for instance 50GB; 0 keeps none (default 20GB)")
      ->transform(CLI::AsSizeValue(false));
  app.add_flag("--verbose", verbose, "log more");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  if (verbose) log::set_level(log::Level::debug);
  auto settings = settle(data, listen, http, database, names, fetch_from);
  if (!settings.ok()) return fail(settings.error());
  settings->agent = agent;
  if (!sendmail.empty() && !sendmail.starts_with('/'))
    return fail(
        Error(Code::invalid_argument, "--sendmail is '" + sanitize(sendmail, 200) + "'; name it by its whole path"));
  settings->sendmail = sendmail;
  settings->pool_bytes = pool_bytes;
  const Status ended = run_server(*settings, [](const std::string& line) { std::cout << line << std::endl; });
  return ended.ok() ? kExitOk : fail(ended.error());
}

}  // namespace
}  // namespace belay

int main(int argc, char** argv) { return belay::run(argc, argv); }
