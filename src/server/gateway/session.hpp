#pragma once
// One connection of one node. Its members are touched by the loop and the intake thread; what both touch is guarded.
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "io/http.hpp"
#include "wire/messages.hpp"

namespace belay::server {

// What went out to nodes, and when: the same again only after a while.
class SentLog {
 public:
  bool may_send(const std::string& id, Duration now, Duration again_after);
  void not_sent(const std::string& id);  // it could not be sent after all
  void forget();
  bool empty();

 private:
  std::mutex mutex_;
  std::map<std::string, Duration> sent_;
};

class Session {
 public:
  Session(std::uint64_t number, std::string node_id, std::string serial_hex, std::string address)
      : number(number), node_id(std::move(node_id)), serial_hex(std::move(serial_hex)), address(std::move(address)) {}

  const std::uint64_t number;
  const std::string node_id;  // the common name of the verified certificate
  const std::string serial_hex;
  const std::string address;

  // Of a link; a poll has none.
  std::shared_ptr<io::WebSocket> socket;
  Duration opened_at{};
  std::string instance_nonce;        // set by the intake thread before `greeted`
  std::atomic<bool> greeted{false};  // hello was taken in
  std::atomic<bool> closed{false};
  std::atomic<std::size_t> waiting{0};  // messages not yet taken in
  std::atomic<bool> awaits_delivery{
      false};  // a worker will look for its orders; one look is enough for all that is there

  // False where it cannot be sent any more.
  bool send(const wire::Envelope& message);
  void close(std::string_view reason);
  // Of a poll: what was to be sent, taken out.
  std::vector<wire::Envelope> take_replies();
  // Of a poll: the same, and nothing can be sent any more.
  struct Last {
    std::vector<wire::Envelope> replies;
    bool was_closed = false;
  };
  Last end_poll();

  SentLog orders;  // over this connection
  // Which orders the node was told to stop. A link has its own; all polls share one, or each poll of a node would be
  // answered at once with what the last one said already, until the order has ended.
  std::shared_ptr<SentLog> cancels = std::make_shared<SentLog>();

 private:
  std::mutex mutex_;
  std::vector<wire::Envelope> replies_;
};

}  // namespace belay::server
