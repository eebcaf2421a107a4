#include "server/gateway/intake_thread.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "io/crypto.hpp"
#include "server/engine/association_sets.hpp"
#include "server/engine/audit.hpp"
#include "store/nodes.hpp"

namespace belay::server {
namespace {
using store::Sql;

constexpr std::size_t kItemsAtOnce = 128;
constexpr std::size_t kBytesAtOnce = 16u << 20;

std::string new_id() { return make_uuid(io::random_bytes(kIdRandomBytes)); }

// The sender's fault, and never to be tried again; else ours, and the node may come again.
bool is_senders_fault(Code code) {
  switch (code) {
    case Code::invalid_argument:
    case Code::not_found:
    case Code::already_exists:
    case Code::conflict:
    case Code::permission_denied:
    case Code::unauthenticated:
    case Code::corrupt:
    case Code::unsupported:
    case Code::resource_exhausted: return true;
    case Code::unavailable:
    case Code::timed_out:
    case Code::cancelled:
    case Code::internal: return false;
  }
  return false;
}

bool is_hello(const wire::Envelope& message) { return message.type == wire::type_name<wire::Hello>(); }

}  // namespace

IntakeThread::IntakeThread(Parts parts) : parts_(std::move(parts)), intake_(parts_.judge) {
  thread_ = std::thread([this] { loop(); });
}

IntakeThread::~IntakeThread() { stop(); }

bool IntakeThread::submit(std::shared_ptr<Session> session, std::string text) {
  Item item;
  item.session = std::move(session);
  item.bytes = text.size();
  item.text = std::move(text);
  return push(std::move(item));
}

bool IntakeThread::submit(std::shared_ptr<Session> session, std::vector<wire::Envelope> messages, std::size_t bytes) {
  Item item;
  item.session = std::move(session);
  item.messages = std::move(messages);
  item.bytes = bytes;
  item.is_poll = true;
  return push(std::move(item));
}

bool IntakeThread::push(Item item) {
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_ || queued_bytes_ + item.bytes > parts_.bytes_max) return false;
    queued_bytes_ += item.bytes;
    item.session->waiting += 1;
    queue_.push_back(std::move(item));
  }
  changed_.notify_one();
  return true;
}

void IntakeThread::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void IntakeThread::loop() {
  for (;;) {
    std::vector<Item> items;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      std::size_t bytes = 0;
      while (!queue_.empty() && items.size() < kItemsAtOnce &&
             (items.empty() || bytes + queue_.front().bytes <= kBytesAtOnce)) {
        bytes += queue_.front().bytes;
        items.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
      queued_bytes_ -= bytes;
    }
    process(std::move(items));
  }
}

void IntakeThread::process(std::vector<Item> items) {
  std::vector<Work> works;
  for (auto& item : items) {
    if (!item.session->closed) parse(item, works);
    std::string().swap(item.text);
  }
  commit(works);
  bool events = false;
  for (auto& work : works) {
    if (!work.done) continue;
    events = events || work.taken.events_posted;
    answer(work);
  }
  for (const auto& item : items) {
    item.session->waiting -= 1;
    if (item.is_poll) parts_.settled(item.session);
  }
  if (events) parts_.poke_engine();
}

void IntakeThread::parse(Item& item, std::vector<Work>& works) {
  auto& session = *item.session;
  if (!item.is_poll) {
    auto parsed = intake_.parse(item.text);
    if (!parsed.ok()) return refuse(session, "", parsed.error());
    item.messages.push_back(std::move(*parsed));
  }
  for (auto& message : item.messages) {
    const Status checked = intake_.check(message);
    if (!checked.ok()) {
      refuse(session, message.id, checked.error());
      continue;
    }
    works.push_back({item.session, std::move(message), {}, false});
  }
}

// All in one transaction; where one of them does not go through, each in its own.
void IntakeThread::commit(std::vector<Work>& works) {
  if (works.empty()) return;
  counters.batches += 1;
  const Instant now = parts_.clock.now();
  const Status together = parts_.store.write([&](Sql& sql) -> Status {
    for (auto& work : works) BELAY_TRY(take(sql, work, now));
    return {};
  });
  if (together.ok()) {
    for (auto& work : works) work.done = true;
    return;
  }
  for (auto& work : works) {
    if (work.session->closed) continue;
    const Status alone = parts_.store.write([&](Sql& sql) { return take(sql, work, now); });
    work.done = alone.ok();
    if (alone.ok()) continue;
    if (is_senders_fault(alone.error().code())) {
      refuse(*work.session, work.message.id, alone.error());
    } else {
      log::error("message-not-taken",
                 {{"node", work.session->node_id}, {"type", work.message.type}, {"error", alone.error()}});
      work.session->close("the server cannot take messages now");
    }
  }
}

Status IntakeThread::take(Sql& sql, Work& work, Instant now) {
  if (is_hello(work.message)) return take_hello(sql, work, now);
  auto& session = *work.session;
  if (session.instance_nonce.empty()) {
    // A poll says hello only once; a link always.
    if (session.socket) return Error(Code::invalid_argument, "the first message must be hello");
    BELAY_TRY_ASSIGN(const auto node_id, store::nodes::authenticate(sql, session.serial_hex, now));
    if (node_id != session.node_id) return Error(Code::unauthenticated, "the certificate is not this node's");
  }
  BELAY_TRY_ASSIGN(work.taken, intake_.take(sql, session.node_id, work.message, now));
  return {};
}

Status IntakeThread::take_hello(Sql& sql, Work& work, Instant now) {
  auto& session = *work.session;
  BELAY_TRY_ASSIGN(const auto node_id, store::nodes::authenticate(sql, session.serial_hex, now));
  if (node_id != session.node_id) return Error(Code::unauthenticated, "the certificate is not this node's");
  BELAY_TRY_ASSIGN(const auto hello, wire::unpack<wire::Hello>(work.message));
  BELAY_TRY_ASSIGN(
      const auto before,
      store::nodes::begin_session(sql, node_id, {hello.instance_nonce, hello.facts.boot_id, session.address, now}));
  BELAY_TRY(intake_.take_facts(sql, node_id, hello.facts, hello.agent_version));
  BELAY_TRY(greet_associations(sql, node_id, hello, now));
  BELAY_TRY(node_came_back(sql, node_id, now));
  const store::nodes::Touch touch[] = {{node_id, now}};
  BELAY_TRY(store::nodes::touch_many(sql, touch));
  // An agent that restarts leaves its old nonce behind for ever; a nonce that comes back after another one was used
  // belongs to a second machine that is alive too.
  if (!hello.instance_nonce.empty() && before.instance_nonce != hello.instance_nonce &&
      before.earlier_nonce == hello.instance_nonce) {
    BELAY_TRY(store::nodes::mark_clone(sql, node_id, now, before.address));
    BELAY_TRY(note_in_audit(sql, now, node_id, "node:clone-suspected", node_id,
                            {{"address", session.address}, {"other_address", before.address}}));
    counters.clones += 1;
    log::warning("clone-suspected",
                 {{"node", node_id}, {"address", session.address}, {"other_address", before.address}});
  }
  BELAY_TRY_ASSIGN(work.taken.need, intake_.missing_sets(sql, node_id));
  session.instance_nonce = hello.instance_nonce;
  return {};
}

void IntakeThread::answer(Work& work) {
  auto& session = *work.session;
  const auto& need = work.taken.need;
  bool sent = true;
  if (is_hello(work.message)) {
    counters.hellos += 1;
    session.greeted = true;
    sent = session.send(wire::pack(new_id(), parts_.welcome(session)));
    parts_.greeted(work.session);
  } else {
    counters.taken += 1;
    if (work.taken.acknowledge) sent = session.send(wire::pack(new_id(), wire::Ack{{work.message.id}}));
  }
  if (sent && (!need.package_set_hashes.empty() || !need.offer_set_hashes.empty()))
    sent = session.send(wire::pack(new_id(), need));
  if (!sent) session.close("the node does not read");
}

void IntakeThread::refuse(Session& session, const std::string& id, const Error& error) {
  counters.refused += 1;
  log::warning("message-refused", {{"node", session.node_id}, {"message", id}, {"error", error}});
  static_cast<void>(
      session.send(wire::pack(new_id(), wire::Refused{id, std::string(name(error.code())), error.chain()})));
  const bool unknown_peer = error.code() == Code::unauthenticated || error.code() == Code::permission_denied;
  // A link that cannot even greet is closed. A poll says hello only once, so there the refusal is the answer.
  if (id.empty() || unknown_peer || (session.socket && !session.greeted))
    session.close(unknown_peer ? "not (any longer) a node" : "not understood");
}

}  // namespace belay::server
