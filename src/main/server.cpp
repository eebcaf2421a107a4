#include "main/server.hpp"

#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "io/crypto.hpp"
#include "io/files.hpp"
#include "io/http.hpp"
#include "io/seal.hpp"
#include "io/system_clock.hpp"
#include "io/zone_files.hpp"
#include "main/admin_env.hpp"
#include "main/server_keys.hpp"
#include "server/api/api.hpp"
#include "server/console/status_page.hpp"
#include "server/engine/agent_program.hpp"
#include "server/engine/association_kind.hpp"
#include "server/engine/association_sets.hpp"
#include "server/engine/automation_kind.hpp"
#include "server/engine/backup_figures.hpp"
#include "server/engine/backup_kind.hpp"
#include "server/engine/change_set_plan.hpp"
#include "server/engine/command_kind.hpp"
#include "server/engine/engine.hpp"
#include "server/engine/inventory_deletion.hpp"
#include "server/engine/mail.hpp"
#include "server/engine/metrics_text.hpp"
#include "server/engine/notices.hpp"
#include "server/engine/rejudge.hpp"
#include "server/engine/remedy_kind.hpp"
#include "server/engine/rollout_kind.hpp"
#include "server/engine/services.hpp"
#include "server/engine/webhooks.hpp"
#include "server/engine/window_kind.hpp"
#include "server/gateway/gateway.hpp"
#include "store/audit.hpp"
#include "store/executions.hpp"
#include "store/orders.hpp"
#include "store/postgres/postgres_store.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace belay {
namespace {

constexpr Duration kDrainWithin{10'000};
constexpr Duration kCertificateLook{12LL * 3600 * 1000};
constexpr Duration kAuditHeadEvery{3600 * 1000};
constexpr std::size_t kWorkerQueueMax = 20'000;
constexpr std::size_t kPlainBodyMax = 4u << 20;
// Before anybody is known: the API's bodies end at a megabyte, an enrolment says a few facts.
constexpr io::BodyLimits kClaimedBodies{2u << 20, 64u << 20, Duration(30'000)};
constexpr io::BodyLimits kNamelessBodies{256u << 10, 16u << 20, Duration(10'000)};

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

std::string in_url(const std::string& address) {
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

io::HttpResponse text_response(int status, std::string type, std::string body) {
  io::HttpResponse response;
  response.status = status;
  response.headers.set("Content-Type", std::move(type));
  response.body = std::move(body);
  return response;
}

Result<std::unique_ptr<store::Store>> open_store(const ServerSettings& settings, const std::string& seal_key) {
  store::Seams seams;
  seams.sha256_hex = [](std::string_view bytes) { return io::sha256_hex(bytes); };
  seams.seal = [seal_key](std::string_view bytes) { return io::seal(seal_key, bytes); };
  seams.unseal = [seal_key](std::string_view bytes) { return io::unseal(seal_key, bytes); };
  if (settings.database.empty()) return store::sqlite::open(settings.data + "/belay.db", std::move(seams));
  return store::postgres::open(settings.database, std::move(seams));
}

// The parts in the order they need each other; gone in the other order, the workers' last tasks before all.
class Server {
 public:
  Server(ServerSettings settings, ServerKeys keys, std::unique_ptr<store::Store> store,
         std::optional<server::AgentProgram> program)
      : settings_(std::move(settings)),
        program_(std::move(program)),
        keys_(std::move(keys)),
        store_(std::move(store)),
        judge_(*store_, clock_),
        commands_(*store_, clock_, settings_.fetch_from),
        change_sets_(*store_, clock_, judge_),
        nodes_(*store_, clock_, keys_.authority()),
        zones_(clock_, [](std::string_view name) { return io::read_zone_file(io::real_files(), name); }),
        windows_(*store_, clock_, zones_),
        rollouts_(*store_, clock_, keys_.authority(), judge_, change_sets_, windows_),
        pool_(*store_, clock_, settings_.pool_bytes),
        backups_(*store_, clock_, zones_),
        backup_figures_(*store_, clock_, zones_),
        services_{*store_, clock_, judge_, commands_, change_sets_, nodes_, windows_, rollouts_, &pool_, &backups_},
        owner_(host_name() + " " + to_hex(io::random_bytes(6))),
        engine_(*store_, clock_, {.owner = owner_}),
        courier_(*store_, clock_, {.owner = owner_}),
        status_page_(*store_, judge_, clock_, {BELAY_VERSION, services_.online_within}) {
    engine_.add(server::make_command_kind(keys_.authority(), judge_, program_ ? &*program_ : nullptr));
    engine_.add(server::make_change_set_kind(keys_.authority(), settings_.pool_bytes > 0));
    engine_.add(server::make_inventory_deletion_kind());
    const server::WindowParts windows{windows_, services_.online_within, automation_tasks_.get()};
    engine_.add(server::make_association_sets_kind(keys_.authority()));
    engine_.add(server::make_association_kind(
        {windows_, [](std::string_view name) { return io::read_zone_file(io::real_files(), name); }}));
    engine_.add(server::make_association_matcher_kind());
    engine_.add(server::make_window_kind(windows));
    engine_.add(server::make_window_execution_kind(windows));
    engine_.add(server::make_remedy_kind(judge_));
    engine_.add(server::make_rejudge_kind(judge_));
    engine_.add(server::make_rollout_kind({keys_.authority(), judge_, windows_}));
    engine_.add(server::make_backup_kind(
        {keys_.authority(), [](std::string_view name) { return io::read_zone_file(io::real_files(), name); },
         clock_.now()}));
    engine_.add(server::make_coverage_kind());
    backups_.poke = [this] { engine_.poke(); };
    engine_.add(server::make_automation_kind());
    engine_.add(server::make_automation_fan_out_kind());
    courier_.add(std::string(server::kWebhookEffect),
                 server::make_webhook_carrier(server::post_over_tls(settings_.fetch_from)));
    if (!settings_.sendmail.empty())
      courier_.add(std::string(server::kMailEffect),
                   server::make_mail_carrier(io::real_processes(), settings_.sendmail));
    rollouts_.set_sends_mail(!settings_.sendmail.empty());
    backups_.set_sends_mail(!settings_.sendmail.empty());
  }

  Status run(const std::function<void(const std::string&)>& ready);

 private:
  Status listen();
  Result<io::TlsServerSettings> tls() const;
  std::string url() const;
  void handle(io::HttpRequest request, std::unique_ptr<io::Responder> responder);
  void in_worker(std::unique_ptr<io::Responder> responder, std::function<io::HttpResponse()> answer);
  io::HttpResponse health();
  io::HttpResponse metrics();
  void renew_certificate();
  void note_audit_head();
  void drain();

  Clock& clock_ = io::system_clock();
  const ServerSettings settings_;
  const std::optional<server::AgentProgram> program_;
  const ServerKeys keys_;
  std::unique_ptr<store::Store> store_;
  server::Judge judge_;
  server::Commands commands_;
  server::ChangeSets change_sets_;
  server::NodeRegistry nodes_;
  server::Zones zones_;
  server::Windows windows_;
  server::Rollouts rollouts_;
  server::PackagePool pool_;
  server::Backups backups_;
  server::BackupFigures backup_figures_;
  server::Services services_;
  const std::unique_ptr<server::TaskStarter> automation_tasks_ = server::make_automation_starter();
  const std::string owner_;  // of the leases
  server::Engine engine_;
  server::EffectCourier courier_;
  server::StatusPage status_page_;
  io::EventLoop loop_;
  std::unique_ptr<io::WorkerPool> workers_, node_workers_;
  std::unique_ptr<server::Api> api_;
  std::unique_ptr<server::Gateway> gateway_;
  std::unique_ptr<io::HttpServer> secure_, plain_;
  int draining_ = 0;
};

Result<io::TlsServerSettings> Server::tls() const {
  std::vector<std::string> dns_names{host_name(), "localhost"}, addresses{"127.0.0.1", "::1"};
  const auto& listening = settings_.listen.address;
  if (listening != "0.0.0.0" && listening != "::" && std::ranges::find(addresses, listening) == addresses.end())
    addresses.push_back(listening);
  if (dns_names.front() == "localhost") dns_names.pop_back();
  for (const auto& name : settings_.names) {
    auto& those = name.is_address ? addresses : dns_names;
    if (std::ranges::find(those, name.text) == those.end()) those.push_back(name.text);
  }
  return keys_.tls(io::real_files(), dns_names, addresses, clock_.now());
}

std::string Server::url() const {
  const auto& address = settings_.listen.address;
  const std::string host = !settings_.names.empty() ? settings_.names.front().text
                           : address == "0.0.0.0"   ? "127.0.0.1"
                           : address == "::"        ? "::1"
                                                    : address;
  return "https://" + in_url(host) + ":" + std::to_string(secure_->port());
}

Status Server::listen() {
  io::HttpServerOptions options;
  options.address = settings_.listen.address;
  options.port = settings_.listen.port;
  BELAY_TRY_ASSIGN(options.tls, tls());
  options.limits.body_bytes_max = wire::kMessageBytesMax;
  options.limits.message_bytes_max = wire::kMessageBytesMax;
  options.limits.claimed = kClaimedBodies;
  options.limits.nameless = kNamelessBodies;
  options.handler = [this](io::HttpRequest request, std::unique_ptr<io::Responder> responder) {
    handle(std::move(request), std::move(responder));
  };
  options.refusal = [](int status, std::string_view words) { return server::Api::unread(status, words); };
  options.upgrade = [this](const io::HttpRequest& request) { return gateway_->upgrade(request); };
  options.opened = [this](std::shared_ptr<io::WebSocket> socket) { gateway_->opened(std::move(socket)); };
  BELAY_TRY_ASSIGN(secure_, io::start_http_server(loop_, options)
                                .within("cannot listen on " + in_url(settings_.listen.address) + ":" +
                                        std::to_string(settings_.listen.port)));
  if (!settings_.plain) return {};
  io::HttpServerOptions plain;
  plain.address = settings_.http.address;
  plain.port = settings_.http.port;
  plain.limits.body_bytes_max = kPlainBodyMax;
  plain.limits.claimed = kClaimedBodies;
  plain.limits.nameless = kNamelessBodies;
  plain.handler = options.handler;
  plain.refusal = options.refusal;
  BELAY_TRY_ASSIGN(plain_, io::start_http_server(loop_, std::move(plain))
                               .within("cannot listen on " + in_url(settings_.http.address) + ":" +
                                       std::to_string(settings_.http.port)));
  return {};
}

void Server::in_worker(std::unique_ptr<io::Responder> responder, std::function<io::HttpResponse()> answer) {
  const std::shared_ptr<io::Responder> shared = std::move(responder);
  const bool taken = workers_->submit([shared, answer = std::move(answer)] { shared->respond(answer()); });
  if (!taken) shared->respond(text_response(503, "text/plain", "the server is busy; try again\n"));
}

void Server::handle(io::HttpRequest request, std::unique_ptr<io::Responder> responder) {
  const auto path = request.path();
  if (server::Gateway::wants(request)) {
    // What enrols and links nodes carries secrets and identities: over TLS or not at all.
    if (!request.encrypted)
      return responder->respond(text_response(403, "text/plain", "agents connect over TLS only\n"));
    return gateway_->handle(std::move(request), std::move(responder));
  }
  if (server::Api::wants(request)) return api_->handle(std::move(request), std::move(responder));
  if (request.method != "GET" && request.method != "HEAD")
    return responder->respond(text_response(405, "text/plain", "GET only\n"));
  if (path == "/healthz") return in_worker(std::move(responder), [this] { return health(); });
  if (path == "/metrics") {
    if (!is_loopback(request.peer_address))
      return responder->respond(
          text_response(403, "text/plain", "metrics are for this machine only: ask on a loopback address (--http)\n"));
    return in_worker(std::move(responder), [this] { return metrics(); });
  }
  if (path == "/" || path.starts_with("/console"))
    return in_worker(std::move(responder),
                     [this, request = std::move(request)] { return status_page_.handle(request); });
  responder->respond(text_response(404, "text/plain", "there is nothing at this address\n"));
}

io::HttpResponse Server::health() {
  const Status checked = store_->check();
  if (checked.ok())
    return text_response(200, "application/json",
                         json::to_text(json::Object{{"status", "ok"}, {"version", BELAY_VERSION}}) + "\n");
  log::error("store-not-well", {{"error", checked.error()}});
  return text_response(503, "application/json",
                       json::to_text(json::Object{{"status", "store unavailable"}, {"version", BELAY_VERSION}}) + "\n");
}

io::HttpResponse Server::metrics() {
  server::MetricsText out;
  // Where the store does not answer, what it would say is left out: absent is no number.
  static_cast<void>(store_->read([&](store::Sql& sql) -> Status {
    BELAY_TRY_ASSIGN(const auto nodes, store::nodes::count(sql, {}));
    BELAY_TRY_ASSIGN(const auto orders, store::orders::waiting(sql));
    BELAY_TRY_ASSIGN(const auto executions, store::executions::open_by_kind(sql));
    BELAY_TRY_ASSIGN(const auto pool, store::pool::usage(sql));
    out.one("belay_nodes", "gauge", static_cast<std::uint64_t>(nodes));
    out.one("belay_orders_queued", "gauge", static_cast<std::uint64_t>(orders.queued));
    out.one("belay_orders_unacknowledged", "gauge", static_cast<std::uint64_t>(orders.delivered));
    out.one("belay_pool_bytes", "gauge", pool.bytes);
    out.one("belay_pool_packages", "gauge", static_cast<std::uint64_t>(pool.complete));
    out.family("belay_executions_open", "gauge");
    for (const auto& [kind, count] : executions)
      out.sample("belay_executions_open", {{"kind", kind}}, static_cast<std::uint64_t>(count));
    return {};
  }));
  if (const auto bytes = store_->bytes(); bytes.ok()) out.one("belay_store_bytes", "gauge", *bytes);
  const auto& counters = store_->counters();
  out.family("belay_store_transactions_total", "counter");
  out.sample("belay_store_transactions_total", {{"kind", "read"}}, counters.reads);
  out.sample("belay_store_transactions_total", {{"kind", "write"}}, counters.writes);
  out.one("belay_store_transactions_failed_total", "counter", counters.failed);
  out.one("belay_store_retries_total", "counter", counters.retries);
  out.one("belay_connections", "gauge", secure_->connections());
  out.family("belay_info", "gauge");
  out.sample("belay_info", {{"version", BELAY_VERSION}}, std::uint64_t{1});
  return text_response(200, "text/plain; version=0.0.4",
                       api_->metrics() + engine_.metrics() + gateway_->metrics() + backup_figures_.text() + out.take());
}

void Server::renew_certificate() {
  const auto settings = tls();
  const Status reloaded = settings.ok() ? secure_->reload(*settings) : Status(settings.error());
  if (!reloaded.ok()) log::error("certificate-not-renewed", {{"error", reloaded.error()}});
  loop_.run_after(kCertificateLook, [this] { renew_certificate(); });
}

// The journal of the system, and where it is sent to, are a witness outside the store (`belay audit verify --head`).
void Server::note_audit_head() {
  const bool taken = workers_->submit([this] {
    const auto head = store_->read([](store::Sql& sql) { return store::audit::head(sql); });
    if (head.ok() && head->sequence > 0)
      log::info("audit-head", {{"head", std::to_string(head->sequence) + ":" + head->hash}});
  });
  if (!taken) log::info("audit-head-not-noted", {{"why", "the workers are busy"}});
  loop_.run_after(kAuditHeadEvery, [this] { note_audit_head(); });
}

void Server::drain() {
  if (draining_ > 0) return;
  log::info("stopping", {});
  const auto ended = [this] {
    if (--draining_ == 0) loop_.stop();
  };
  draining_ = plain_ ? 2 : 1;
  gateway_->stop();
  secure_->drain(kDrainWithin, ended);
  if (plain_) plain_->drain(kDrainWithin, ended);
}

Status Server::run(const std::function<void(const std::string&)>& ready) {
  BELAY_TRY(server::install_predefined_baselines(*store_, clock_.now()));
  BELAY_TRY(store_->write([&](store::Sql& sql) -> Status {
    BELAY_TRY(server::ensure_rejudge(sql, clock_.now()));
    BELAY_TRY(server::ensure_coverage(sql, clock_.now()));
    BELAY_TRY(server::note_sends_mail(sql, !settings_.sendmail.empty(), clock_.now()));
    return server::note_agent_program(sql, program_ ? &*program_ : nullptr, clock_.now());
  }));
  workers_ =
      std::make_unique<io::WorkerPool>(std::clamp(std::thread::hardware_concurrency() * 2, 4U, 16U), kWorkerQueueMax);
  // Nodes have threads of their own: an operator's request does not wait behind ten thousand of them.
  const auto for_nodes = std::clamp(std::thread::hardware_concurrency(), 2U, 8U);
  node_workers_ = std::make_unique<io::WorkerPool>(for_nodes, kWorkerQueueMax);
  gateway_ = std::make_unique<server::Gateway>(
      server::GatewayParts{loop_, *node_workers_, services_, keys_.authority(), [this] { engine_.poke(); },
                           program_ ? &*program_ : nullptr},
      server::GatewaySettings{.pool_requests_at_once = for_nodes / 2});
  nodes_.on_revoked = [this](std::string_view node_id) {
    gateway_->revoked(node_id);
    engine_.poke();  // its open orders have ended
  };
  engine_.on_progress = [this] {
    gateway_->orders_queued();
    courier_.poke();
  };
  courier_.on_progress = [this] { engine_.poke(); };
  BELAY_TRY(listen());
  // Not as the client says it reached us: a Host header is anybody's word.
  api_ = std::make_unique<server::Api>(services_, *workers_, server::ApiSettings{.base_url = url()});
  BELAY_TRY(write_admin_environment(io::real_files(), *store_, {settings_.data + "/admin.env", url(), keys_.ca_path()},
                                    clock_.now()));
  gateway_->start();
  engine_.start();
  courier_.start();
  loop_.on_termination([this] { drain(); });
  loop_.run_after(kCertificateLook, [this] { renew_certificate(); });
  note_audit_head();
  log::info("started", {{"url", url()}, {"store", store_->describe()}, {"version", BELAY_VERSION}});
  if (settings_.names.empty() && (settings_.listen.address == "0.0.0.0" || settings_.listen.address == "::"))
    log::warning("no_name", {{"url", url()},
                             {"why", "agents on other hosts cannot reach this address"},
                             {"next", "start belayd with --name, the name by which agents reach it"}});
  ready("belayd ready: " + url() + " (data " + settings_.data + ")");
  loop_.run();
  engine_.stop();
  courier_.stop();
  workers_.reset();  // ends what was accepted, while all it needs is still there
  node_workers_.reset();
  log::info("stopped", {});
  return {};
}

}  // namespace

Status run_server(const ServerSettings& settings, const std::function<void(const std::string&)>& ready) {
  auto& files = io::real_files();
  BELAY_TRY(files.make_directories(settings.data, 0700));
  auto lock = io::FileLock::acquire(settings.data + "/lock");
  if (!lock.ok())
    return Error(lock.error().code(), "another belayd runs on " + settings.data + ": " + lock.error().message(),
                 lock.error().code() == Code::conflict ? "folder-in-use" : lock.error().reason());
  BELAY_TRY_ASSIGN(auto keys, ServerKeys::open(files, settings.data + "/keys", io::system_clock().now()));
  std::optional<server::AgentProgram> program;
  if (!settings.agent.empty()) {
    BELAY_TRY_ASSIGN(program,
                     server::read_agent_program(files, io::real_processes(), settings.agent).within("--agent"));
  }
  BELAY_TRY_ASSIGN(auto store, open_store(settings, keys.seal_key()));
  return Server(settings, std::move(keys), std::move(store), std::move(program)).run(ready);
}

}  // namespace belay
