/** What a peer in Java defines; Peer does all the rest. Its sender and receiver may be two processes. */
interface Transport extends AutoCloseable {
    /** Takes records that came. */
    interface Sink {
        void take(byte[] record, int length);
    }

    boolean persistent();

    /** Whether sender and receiver must be threads of one process, over one object. */
    boolean oneProcess();

    void openReceiver();

    /** After openReceiver(). */
    void openSender();

    /** Sends one record; waits busily while there is no room. */
    void send(byte[] record);

    /** Gives the sink what there is, once; does not wait. */
    void poll(Sink sink);

    /** Begins at the first record again; only where records persist. */
    void replay();

    @Override
    void close();
}
