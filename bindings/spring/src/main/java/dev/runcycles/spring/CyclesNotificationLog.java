package dev.runcycles.spring;

import dev.runcycles.Notification;
import dev.runcycles.NotificationListener;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;

/** Writes what happens in the background to the log: lost leases, late and refused settlements. */
final class CyclesNotificationLog implements NotificationListener {
    private static final Log LOG = LogFactory.getLog(Cycles.class);

    @Override
    public void on(Notification notification) {
        StringBuilder line = new StringBuilder(notification.getKind());
        append(line, "reservation_id", notification.getReservationId());
        append(line, "disposition", notification.getDisposition());
        append(line, "outcome", notification.getOutcome());
        append(line, "reason", notification.getReason());
        append(line, "error", notification.getError());
        append(line, "file", notification.getFile());
        append(line, "count", notification.getCount());
        if (isGood(notification)) {
            LOG.info(line);
        } else {
            LOG.warn(line);
        }
    }

    private static boolean isGood(Notification notification) {
        return "journal_restored".equals(notification.getKind())
                || "committed".equals(notification.getOutcome())
                || "recovered_via_event".equals(notification.getOutcome());
    }

    private static void append(StringBuilder line, String name, Object value) {
        if (value != null) {
            line.append(' ').append(name).append('=').append(value);
        }
    }
}
