#pragma once
// Deadlines of many connections, cheap to move: setting a later one is one store, and the wheel looks again when the
// earlier one comes. Fires up to kTick late, never early. Loop thread only. Only for io's own sources.
#include <array>
#include <cstdint>
#include <functional>

#include "base/time.hpp"

namespace belay::io {

class DeadlineWheel {
 public:
  class Entry {
   public:
    explicit Entry(DeadlineWheel& wheel) : wheel_(wheel) {}
    virtual ~Entry() { clear_deadline(); }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    void set_deadline(Duration from_now) { wheel_.set(*this, from_now); }
    void clear_deadline();

   private:
    friend class DeadlineWheel;
    virtual void on_deadline() = 0;  // may destroy this entry, or any other

    void unlink();
    DeadlineWheel& wheel_;
    Entry* previous_ = nullptr;  // in the list of its slot; null where in none
    Entry* next_ = nullptr;
    std::int64_t tick_ = 0;     // of the slot it hangs in
    std::int64_t due_ms_ = -1;  // -1: no deadline
  };

  // `now` is monotonic; `arm` asks for one call of fire() at that time, replacing what it asked for before.
  DeadlineWheel(std::function<Duration()> now, std::function<void(Duration at)> arm);
  void fire();

 private:
  // The head of a circular list.
  struct Slot final : Entry {
    explicit Slot(DeadlineWheel& wheel);
    void on_deadline() override {}
  };

  static constexpr std::int64_t kTickMs = 50;
  static constexpr std::int64_t kSlots = 1024;

  void set(Entry& entry, Duration from_now);
  void link(Entry& entry);
  void arm_for(std::int64_t tick);
  void run_slot(Slot& slot, std::int64_t now_ms);
  void arm_next();
  Slot& slot_of(std::int64_t tick) { return *slots_[static_cast<std::size_t>(tick % kSlots)]; }

  std::function<Duration()> now_;
  std::function<void(Duration)> arm_;
  std::array<std::unique_ptr<Slot>, kSlots> slots_;
  std::int64_t done_tick_;        // every slot up to here was run
  std::int64_t armed_tick_ = -1;  // -1: asleep
  std::size_t linked_ = 0;
};

}  // namespace belay::io
